#include "pure/crypto/content_hash.hpp"

#include "support.hpp"

namespace memseal::crypto {
namespace {

using namespace testing;

TEST(ContentHash, IsTheHmacOfTheWholeUnderADerivedKey) {
  ContentHash hash(tenant_key());
  hash.update(bytes("The cat "));
  hash.update({});
  hash.update(bytes("sat."));
  const auto derived = derive_key(tenant_key().key.view(), "memseal/content/v1");
  EXPECT_EQ(hash.finish(), hmac_sha256(derived.view(), {bytes("The cat sat.")}));
}

TEST(ContentHash, DiffersForEachKey) {
  ContentHash one(tenant_key(1, 2)), other(tenant_key(1, 3));
  EXPECT_NE(one.finish(), other.finish());
}

}  // namespace
}  // namespace memseal::crypto

#include "pure/crypto/content_hash.hpp"

#include "support.hpp"

namespace memseal::crypto {
namespace {

using namespace testing;

FileHasher hasher(std::uint8_t fill = 5) {
  return FileHasher(SecretBytes(ByteView(Bytes(32, fill))));
}

Tenant owner_of(std::string_view user) {
  static const TenantKeyer keyer(SecretBytes(ByteView(Bytes(32, 9))));
  return keyer.tenant_of(UserId::parse(user).value());
}

Digest hashed(const FileHasher& by, const Tenant& owner, std::string_view text) {
  auto hash = by.content(owner);
  hash.update(bytes(text));
  return hash.finish();
}

TEST(ContentHash, IsTheHmacOfTheWholeUnderItsKey) {
  const SecretBytes key{ByteView(Bytes(32, 7))};
  ContentHash hash(key);
  hash.update(bytes("The cat "));
  hash.update({});
  hash.update(bytes("sat."));
  EXPECT_EQ(hash.finish(), hmac_sha256(key.view(), {bytes("The cat sat.")}));
}

// The layout, so that a later version finds the files that this one stored.
TEST(FileHasher, DerivesTheKeyOfEachTenantAndPurpose) {
  const auto ada = owner_of("ada");
  const auto tenant =
      hmac_sha256(ByteView(Bytes(32, 5)), {bytes("tenant"), ByteView(ada.hash().bytes)});
  const auto key = derive_key(ByteView(tenant), "memseal/files/content/v1");
  EXPECT_EQ(hashed(hasher(), ada, "text"), hmac_sha256(key.view(), {bytes("text")}));
}

TEST(FileHasher, DiffersForEachTenantKeyAndPurpose) {
  const auto ada = owner_of("ada"), bob = owner_of("bob");
  EXPECT_EQ(hashed(hasher(), ada, "text"), hashed(hasher(), ada, "text"));
  EXPECT_NE(hashed(hasher(), ada, "text"), hashed(hasher(), bob, "text"));
  EXPECT_NE(hashed(hasher(), ada, "text"), hashed(hasher(6), ada, "text"));
  EXPECT_NE(hasher().name(ada, "a"), hasher().name(bob, "a"));
  EXPECT_NE(hasher().name(ada, "a"), hasher().tag(ada, "a"));
  EXPECT_NE(hasher().name(ada, "a"), hasher().id_of_request(ada, "a"));
  EXPECT_NE(hasher().deployment(), hasher(6).deployment());
}

}  // namespace
}  // namespace memseal::crypto

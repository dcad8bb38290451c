#include "pure/crypto/tenant.hpp"

#include "pure/crypto/hash.hpp"
#include "support.hpp"

#include <set>

namespace memseal::crypto {
namespace {

using namespace testing;

DocId doc(std::string_view name) { return DocId::parse(name).value(); }

TEST(TenantKeyer, HashesTheUserIdAsReceived) {
  const auto key = key_of(1);
  const TenantKeyer keyer(key.clone());
  for (const char* user : {"ann", "Ann", "ann ", "\xc3\xa9", "e\xcc\x81"}) {
    const auto mac = hmac_sha256(key.view(), {bytes_of(user)});
    EXPECT_EQ(keyer.tenant_of(UserId::parse(user).value()).hash().to_hex(), hex(mac));
  }
  EXPECT_NE(tenant("ann"), tenant("Ann"));
  EXPECT_EQ(tenant("ann"), tenant("ann"));
}

TEST(TenantKeyer, GivesAnotherTenantUnderAnotherKey) {
  const TenantKeyer keyer(key_of(9));
  EXPECT_NE(keyer.tenant_of(UserId::parse("ann").value()), tenant("ann"));
}

TEST(IdDeriver, NamesAChunkByAllItComesFrom) {
  const IdDeriver ids(key_of(4)), others(key_of(5));
  const auto ann = tenant("ann");
  const auto id = ids.chunk_id(ann, doc("d"), 1, 0);
  EXPECT_EQ(id, ids.chunk_id(ann, doc("d"), 1, 0)) << "a replay gives the same id";
  const std::set<Uuid> ids_seen{id,
                                ids.chunk_id(tenant("bob"), doc("d"), 1, 0),
                                ids.chunk_id(ann, doc("e"), 1, 0),
                                ids.chunk_id(ann, doc("d"), 2, 0),
                                ids.chunk_id(ann, doc("d"), 1, 1),
                                ids.chunk_id(ann, doc("d"), -1, 0),
                                others.chunk_id(ann, doc("d"), 1, 0)};
  EXPECT_EQ(ids_seen.size(), 7u);
}

TEST(IdDeriver, WritesTheLayoutOfItsContract) {
  const auto key = key_of(4);
  const auto ann = tenant("ann");
  Bytes input = bytes("chunk");
  const auto append = [&input](ByteView part) {
    input.insert(input.end(), part.begin(), part.end());
  };
  append(ann.hash().bytes);
  append(sha256(bytes("d")));
  append(from_hex("0000000000000102"));
  append(from_hex("00000003"));
  auto expected = hex(hmac_sha256(key.view(), {input})).substr(0, 32);
  expected[12] = '8';
  const auto id = IdDeriver(key.clone()).chunk_id(ann, doc("d"), 0x102, 3);
  auto got = hex(id.bytes);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
  got[16] = expected[16] = 'x';  // two bits of it are the variant
  EXPECT_EQ(got, expected);
}

TEST(IdDeriver, KeepsSourceAndIdOfAnEventApart) {
  const IdDeriver ids(key_of(4));
  const auto ann = tenant("ann");
  EXPECT_EQ(ids.event_id(ann, "a", "b"), ids.event_id(ann, "a", "b"));
  EXPECT_NE(ids.event_id(ann, "ab", "c"), ids.event_id(ann, "a", "bc"));
  EXPECT_NE(ids.event_id(ann, "", "a"), ids.event_id(ann, "a", ""));
  EXPECT_NE(ids.event_id(ann, "a", "b"), ids.event_id(tenant("bob"), "a", "b"));
  const auto id = ids.event_id(ann, "a", "b");
  EXPECT_EQ(id.bytes[6] >> 4, 8);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
}

}  // namespace
}  // namespace memseal::crypto

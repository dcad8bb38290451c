#include "pure/crypto/hash.hpp"

#include "pure/crypto/git_blob.hpp"
#include "pure/crypto/internal/ossl.hpp"
#include "pure/crypto/random.hpp"
#include "support.hpp"

#include <set>

namespace memseal::crypto {
namespace {

using namespace testing;

TEST(Hash, Sha256KnowsTheEmptyStringAndAbc) {
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// As `git hash-object` says.
TEST(Hash, AFileHasTheNameThatGitGivesIt) {
  EXPECT_EQ(GitBlobName(0).finish(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  GitBlobName hello(6);
  hello.update(bytes("hel"));
  hello.update(bytes("lo\n"));
  EXPECT_EQ(hello.finish(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(Hash, HmacPassesWycheproof) {
  int valid = 0, invalid = 0;
  const auto all = wycheproof("hmac_sha256_test.json");
  for (const auto& group : all.at("testGroups").as_array())
    for (const auto& test : group.at("tests").as_array()) {
      const auto mac = hmac_sha256(from_hex(text(test, "key")), {from_hex(text(test, "msg"))});
      const auto tag = from_hex(text(test, "tag"));
      const bool is_valid = text(test, "result") == "valid";
      EXPECT_EQ(equal_constant_time(ByteView(mac).first(tag.size()), tag), is_valid)
          << test.at("tcId");
      ++(is_valid ? valid : invalid);
    }
  EXPECT_EQ(valid, 66);
  EXPECT_EQ(invalid, 108);
}

TEST(Hash, HmacJoinsItsParts) {
  const auto key = key_of(3);
  EXPECT_EQ(hmac_sha256(key.view(), {bytes("ab"), {}, bytes("c")}),
            hmac_sha256(key.view(), {bytes("abc")}));
  EXPECT_NE(hmac_sha256(key.view(), {bytes("abc")}), hmac_sha256(key_of(4).view(), {bytes("abc")}));
}

TEST(Hash, HkdfPassesWycheproof) {
  int valid = 0, refused = 0;
  const auto all = wycheproof("hkdf_sha256_test.json");
  for (const auto& group : all.at("testGroups").as_array())
    for (const auto& test : group.at("tests").as_array()) {
      Bytes out(test.at("size").to_number<std::size_t>());
      const bool done = ossl::hkdf_sha256(from_hex(text(test, "ikm")), from_hex(text(test, "salt")),
                                          from_hex(text(test, "info")), out);
      if (text(test, "result") == "valid") {
        ++valid;
        EXPECT_TRUE(done) << test.at("tcId");
        EXPECT_EQ(hex(out), text(test, "okm")) << test.at("tcId");
      } else {
        ++refused;
        EXPECT_FALSE(done) << test.at("tcId") << ": more bytes than HKDF can give";
      }
    }
  EXPECT_EQ(valid + refused, 86);
  EXPECT_GT(refused, 0);
}

TEST(Hash, DerivedKeysDifferByPurposeAndRoot) {
  const auto root = key_of(1), other = key_of(2);
  const auto key = derive_key(root.view(), "memseal/a/v1");
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(hex(key.view()), hex(derive_key(root.view(), "memseal/a/v1").view()));
  EXPECT_NE(hex(key.view()), hex(derive_key(root.view(), "memseal/b/v1").view()));
  EXPECT_NE(hex(key.view()), hex(derive_key(other.view(), "memseal/a/v1").view()));
}

TEST(Hash, ComparesOnlyWholes) {
  EXPECT_TRUE(equal_constant_time(bytes("abc"), bytes("abc")));
  EXPECT_FALSE(equal_constant_time(bytes("abc"), bytes("abd")));
  EXPECT_FALSE(equal_constant_time(bytes("abc"), bytes("ab")));
  EXPECT_TRUE(equal_constant_time({}, {}));
}

TEST(Random, FillsEveryByteSoonerOrLater) {
  Bytes first(64), large((1u << 20) + 5);
  fill_random(first);
  fill_random(large);
  EXPECT_NE(first, Bytes(64));
  EXPECT_NE(std::vector(large.end() - 5, large.end()), Bytes(5)) << "also beyond one MiB";
  fill_random({});
}

TEST(Random, UuidsAreOfVersion4AndDiffer) {
  std::set<Uuid> seen;
  for (int i = 0; i < 1'000; ++i) {
    const auto uuid = random_uuid();
    EXPECT_EQ(uuid.bytes[6] >> 4, 4);
    EXPECT_EQ(uuid.bytes[8] >> 6, 2);
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

}  // namespace
}  // namespace memseal::crypto

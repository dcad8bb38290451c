// The library for other programs speaks the same format as Sealer.
#include "support.hpp"

#include "pure/crypto/hash.hpp"

#include <memseal/sb1.hpp>

#include <openssl/evp.h>
#include <openssl/provider.h>

#include <cstdlib>

namespace memseal::crypto {
namespace {

using namespace testing;

struct Both {
  TenantKey own = tenant_key(3);
  sb1::Key key{own.id, own.key.view()};
  Uuid object{{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}};
  sb1::Binding binding{.user = tenant("alice").hash().bytes,
                       .object = object.bytes,
                       .doc_id = "notes.md",
                       .chunk_index = 4};
  SealBinding own_binding{object, "notes.md", 4};
  Bytes plain = bytes("the cat sat on the mat");
};

TEST(Library, NamesUsersAsTenantKeyerDoes) {
  const auto key = key_of(1);
  EXPECT_EQ(sb1::hmac_user(key.view(), "alice"), tenant("alice").hash().bytes);
  EXPECT_NE(sb1::hmac_user(key.view(), "bob"), tenant("alice").hash().bytes);
  EXPECT_FALSE(sb1::hmac_user(key.view().first(31), "alice"));
  EXPECT_FALSE(sb1::hmac_user(key.view(), ""));
  EXPECT_FALSE(sb1::hmac_user(key.view(), std::string(257, 'a')));
}

TEST(Library, OpensWhatSealerSealedAndTheReverse) {
  const Both both;
  const auto by_sealer =
      Sealer::seal(tenant("alice"), both.own, Field::meta, both.own_binding, both.plain).value();
  const auto opened = sb1::open_sealed(both.key, sb1::Field::meta, both.binding, by_sealer);
  EXPECT_EQ(opened.status, sb1::Status::ok);
  EXPECT_EQ(opened.bytes, both.plain);
  const auto sealed = sb1::seal(both.key, sb1::Field::meta, both.binding, both.plain);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed.bytes.size(), both.plain.size() + sb1::overhead_bytes);
  EXPECT_EQ(sb1::key_id_of(sealed.bytes), 3u);
  const auto by_own =
      Sealer::open(tenant("alice"), both.own, Field::meta, both.own_binding, sealed.bytes);
  ASSERT_TRUE(by_own);
  EXPECT_EQ(hex(by_own->view()), hex(both.plain));
}

TEST(Library, OpensForNothingElse) {
  const Both both;
  const auto sealed = sb1::seal(both.key, sb1::Field::text, both.binding, both.plain).bytes;
  const auto refuses = [&](const sb1::Key& key, sb1::Field field, const sb1::Binding& binding) {
    const auto opened = sb1::open_sealed(key, field, binding, sealed);
    EXPECT_EQ(opened.status, sb1::Status::does_not_open);
    EXPECT_TRUE(opened.bytes.empty());
  };
  const auto other_key = key_of(99);
  refuses({3, other_key.view()}, sb1::Field::text, both.binding);
  refuses({4, both.key.bytes}, sb1::Field::text, both.binding);
  refuses(both.key, sb1::Field::meta, both.binding);
  auto other = both.binding;
  other.user = tenant("bob").hash().bytes;
  refuses(both.key, sb1::Field::text, other);
  other = both.binding;
  other.object[15] ^= 1;
  refuses(both.key, sb1::Field::text, other);
  other = both.binding;
  other.doc_id = "other.md";
  refuses(both.key, sb1::Field::text, other);
  other = both.binding;
  other.chunk_index ^= 1;
  refuses(both.key, sb1::Field::text, other);
}

TEST(Library, TellsBadArgumentsByTheirStatus) {
  const Both both;
  for (const sb1::Key& key :
       {sb1::Key{0, both.key.bytes}, sb1::Key{3, both.key.bytes.first(31)}, sb1::Key{3, {}}}) {
    EXPECT_EQ(sb1::seal(key, sb1::Field::text, both.binding, both.plain).status,
              sb1::Status::invalid_key);
    EXPECT_EQ(sb1::open_sealed(key, sb1::Field::text, both.binding, Bytes(99, 1)).status,
              sb1::Status::invalid_key);
  }
  for (const std::size_t size : {std::size_t{0}, sb1::plain_bytes_max + 1})
    EXPECT_EQ(sb1::seal(both.key, sb1::Field::text, both.binding, Bytes(size)).status,
              sb1::Status::invalid_plain);
  EXPECT_EQ(sb1::open_sealed(both.key, sb1::Field::text, both.binding, {}).status,
            sb1::Status::does_not_open);
  EXPECT_FALSE(sb1::key_id_of(Bytes(40, 2)));
  for (const auto status : {sb1::Status::ok, sb1::Status::invalid_key, sb1::Status::invalid_plain,
                            sb1::Status::does_not_open, sb1::Status::unavailable})
    EXPECT_FALSE(sb1::describe(status).empty());
}

/// OpenSSL finds no implementation of what it looks up by name meanwhile. HMAC and HKDF look their
/// digest up with each call.
struct NoImplementations {
  NoImplementations() { EVP_set_default_properties(nullptr, "provider=memseal-none"); }
  ~NoImplementations() { EVP_set_default_properties(nullptr, ""); }
};

TEST(Library, ReportsThatOpenSslCannotComputeAndDoesNotEndTheProgram) {
  const auto key = key_of(1);
  ASSERT_TRUE(sb1::hmac_user(key.view(), "alice"));
  {
    const NoImplementations none;
    EXPECT_FALSE(sb1::hmac_user(key.view(), "alice"));
    EXPECT_THROW((void)hmac_sha256(key.view(), {bytes("alice")}), Refused);
    EXPECT_THROW((void)derive_key(key.view(), "purpose"), Refused);
  }
  EXPECT_TRUE(sb1::hmac_user(key.view(), "alice"));
}

/// What the library answers in a process whose OpenSSL has no algorithm at all.
[[noreturn]] void answer_without_algorithms() {
  OSSL_PROVIDER_load(nullptr, "null");  // keeps the default provider from being loaded
  const auto bytes = key_of(2);
  const sb1::Key key{3, bytes.view()};
  const sb1::Binding binding{.doc_id = "notes.md"};
  Bytes sealed(99, 7);
  sealed[0] = 1;  // the format, then the key's id
  sealed[1] = sealed[2] = sealed[3] = 0;
  sealed[4] = 3;
  const auto seal = sb1::seal(key, sb1::Field::text, binding, sealed).status;
  const auto open = sb1::open_sealed(key, sb1::Field::text, binding, sealed).status;
  const bool reported = seal == sb1::Status::unavailable && open == sb1::Status::unavailable &&
                        !sb1::hmac_user(key.bytes, "alice");
  std::_Exit(reported ? 0 : 1);
}

TEST(LibraryDeathTest, ReportsThatOpenSslLacksTheAlgorithms) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process that has fetched nothing yet
  EXPECT_EXIT(answer_without_algorithms(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace memseal::crypto

// The published vectors of SB1, made by another implementation: whoever opens them all and refuses
// the others reads what memseal writes.
#include "pure/crypto/sealer.hpp"
#include "support.hpp"

namespace memseal::crypto {
namespace {

using namespace testing;

json::value vectors() {
  return read_json(MEMSEAL_SOURCE_DIR "/tests/unit/crypto/sb1_vectors.json");
}

Field field_of(std::string_view name) {
  constexpr std::string_view names[] = {
      "text", "meta", "embedding", "document_name", "document_meta", "wrapped_key", "dead_letter"};
  for (std::uint8_t i = 0; i < std::size(names); ++i)
    if (names[i] == name) return static_cast<Field>(i + 1);
  ADD_FAILURE() << "no field " << name;
  return Field::text;
}

Tenant tenant_in(const json::value& all, const json::value& vector) {
  const TenantKeyer keyer{SecretBytes(ByteView(from_hex(text(all, "tenant_key"))))};
  return keyer.tenant_of(UserId::parse(text(vector, "user_id")).value());
}

Result<SecretBytes> open(const json::value& all, const json::value& vector) {
  const TenantKey key{static_cast<std::uint32_t>(vector.at("key_id").to_number<std::uint64_t>()),
                      SecretBytes(ByteView(from_hex(text(vector, "key"))))};
  const SealBinding place{
      Uuid::parse(text(vector, "object")).value(), text(vector, "doc_id"),
      static_cast<std::uint32_t>(vector.at("chunk_index").to_number<std::uint64_t>())};
  return Sealer::open(tenant_in(all, vector), key, field_of(text(vector, "field")), place,
                      from_hex(text(vector, "sealed")));
}

TEST(Sb1Vectors, ValidOnesOpen) {
  const auto all = vectors();
  ASSERT_EQ(all.at("valid").as_array().size(), 10u);
  for (const auto& vector : all.at("valid").as_array()) {
    EXPECT_EQ(tenant_in(all, vector).hash().to_hex(), text(vector, "user_hash"));
    const auto opened = open(all, vector);
    ASSERT_TRUE(opened) << text(vector, "name");
    EXPECT_EQ(hex(opened->view()), text(vector, "plain")) << text(vector, "name");
  }
}

TEST(Sb1Vectors, InvalidOnesDoNot) {
  const auto all = vectors();
  ASSERT_EQ(all.at("invalid").as_array().size(), 30u);
  for (const auto& vector : all.at("invalid").as_array()) {
    const auto opened = open(all, vector);
    ASSERT_FALSE(opened) << text(vector, "name");
    EXPECT_EQ(opened.error().code, Errc::open_failed) << text(vector, "name");
  }
}

}  // namespace
}  // namespace memseal::crypto

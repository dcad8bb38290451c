#include "pure/crypto/sealer.hpp"

#include "base/limits.hpp"
#include "support.hpp"

#include <functional>
#include <random>

namespace memseal::crypto {
namespace {

using namespace testing;

const Uuid object = Uuid::parse("0a1b2c3d-4e5f-8a6b-9c7d-0123456789ab").value();

SealBinding place() { return {object, "notes.md", 3}; }

Bytes sealed(std::string_view plain, const TenantKey& key, Field field = Field::text) {
  return Sealer::seal(tenant("ann"), key, field, place(), bytes_of(plain)).value();
}

bool opens(ByteView blob, const TenantKey& key) {
  return Sealer::open(tenant("ann"), key, Field::text, place(), blob).has_value();
}

TEST(Sealer, OpensWhatItSealed) {
  const auto key = tenant_key();
  for (const std::size_t size : {1u, 15u, 16u, 17u, 287u, 288u, 1024u, 65'536u}) {
    const std::string plain(size, 'x');
    const auto blob = sealed(plain, key);
    EXPECT_EQ(blob.size(), size + seal_overhead);
    const auto opened = Sealer::open(tenant("ann"), key, Field::text, place(), blob);
    ASSERT_TRUE(opened);
    EXPECT_EQ(text_of(opened->view()), plain);
  }
}

TEST(Sealer, RefusesToSealNothingOrTooMuch) {
  const auto key = tenant_key();
  const Bytes too_much(limits::seal_bytes_max + 1);
  for (const ByteView plain : {ByteView(), ByteView(too_much)}) {
    const auto blob = Sealer::seal(tenant("ann"), key, Field::text, place(), plain);
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().code, Errc::seal_failed);
  }
}

TEST(Sealer, RefusesAKeyOfAnotherSizeOrWithoutId) {
  for (const auto& key : {TenantKey{1, key_of(1, 16)}, TenantKey{1, key_of(1, 33)},
                          TenantKey{1, SecretBytes()}, TenantKey{0, key_of(1)}}) {
    const auto blob = Sealer::seal(tenant("ann"), key, Field::text, place(), bytes("a"));
    ASSERT_FALSE(blob);
    EXPECT_EQ(blob.error().code, Errc::seal_failed);
    EXPECT_FALSE(opens(sealed("a", tenant_key()), key));
  }
}

TEST(Sealer, RefusesABlobMovedToAnotherTenantRowColumnDocumentPositionOrKey) {
  const auto key = tenant_key(), other_key = tenant_key(1, 99), other_id = tenant_key(2);
  const auto blob = sealed("the text", key);
  const Uuid elsewhere = Uuid::parse("0a1b2c3d-4e5f-8a6b-9c7d-0123456789ac").value();
  struct Move {
    const char* to;
    std::function<Result<SecretBytes>()> open;
  };
  const auto ann = tenant("ann"), bob = tenant("bob");
  const Move moves[] = {
      {"tenant", [&] { return Sealer::open(bob, key, Field::text, place(), blob); }},
      {"row",
       [&] {
         return Sealer::open(ann, key, Field::text, {elsewhere, "notes.md", 3}, blob);
       }},
      {"column", [&] { return Sealer::open(ann, key, Field::meta, place(), blob); }},
      {"document",
       [&] {
         return Sealer::open(ann, key, Field::text, {object, "notes", 3}, blob);
       }},
      {"no document",
       [&] {
         return Sealer::open(ann, key, Field::text, {object, "", 3}, blob);
       }},
      {"position",
       [&] {
         return Sealer::open(ann, key, Field::text, {object, "notes.md", 4}, blob);
       }},
      {"key", [&] { return Sealer::open(ann, other_key, Field::text, place(), blob); }},
      {"key id", [&] { return Sealer::open(ann, other_id, Field::text, place(), blob); }},
  };
  for (const auto& move : moves) {
    const auto opened = move.open();
    ASSERT_FALSE(opened) << "another " << move.to;
    EXPECT_EQ(opened.error(), (Error{Errc::open_failed, "the sealed value does not open"}))
        << "every refusal looks alike, also that of another " << move.to;
  }
  EXPECT_TRUE(opens(blob, key)) << "and refusals spoil nothing";
}

TEST(Sealer, RefusesABlobWithAnyOneBitFlipped) {
  const auto key = tenant_key();
  const auto blob = sealed("thirty-seven bytes of plaintext here!", key);
  for (std::size_t bit = 0; bit < 8 * blob.size(); ++bit) {
    auto flipped = blob;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(opens(flipped, key)) << "bit " << bit;
  }
  EXPECT_TRUE(opens(blob, key));
}

TEST(Sealer, RefusesABlobCutOrExtendedAnywhere) {
  const auto key = tenant_key();
  const auto blob = sealed("some text", key);
  for (std::size_t size = 0; size < blob.size(); ++size) {
    EXPECT_FALSE(opens(ByteView(blob).first(size), key)) << size;
    EXPECT_FALSE(opens(ByteView(blob).subspan(blob.size() - size), key)) << size;
  }
  auto longer = blob;
  longer.push_back(0);
  EXPECT_FALSE(opens(longer, key));
  longer.resize(limits::seal_bytes_max + seal_overhead + 1);
  EXPECT_FALSE(opens(longer, key));
}

TEST(Sealer, RefusesRandomBytes) {
  const auto key = tenant_key();
  std::mt19937 random(7);
  for (int round = 0; round < 2'000; ++round) {
    Bytes noise(random() % 200);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random());
    if (noise.size() > 4 && round % 2 == 0) {
      noise[0] = 1, noise[1] = noise[2] = noise[3] = 0, noise[4] = 1;  // a plausible header
    }
    EXPECT_FALSE(opens(noise, key));
  }
}

TEST(Sealer, NeverSealsAlikeTwice) {
  const auto key = tenant_key();
  EXPECT_NE(sealed("same", key), sealed("same", key));
}

TEST(Sealer, WorksOnMoreKeysThanAThreadCaches) {
  std::vector<Bytes> blobs;
  for (std::uint8_t seed = 0; seed < 40; ++seed) blobs.push_back(sealed("a", tenant_key(1, seed)));
  for (std::uint8_t seed = 0; seed < 40; ++seed) {
    EXPECT_TRUE(opens(blobs[seed], tenant_key(1, seed)));
    EXPECT_FALSE(opens(blobs[seed], tenant_key(1, static_cast<std::uint8_t>(seed + 1))));
  }
  Sealer::forget_cached_keys();
  EXPECT_TRUE(opens(blobs[0], tenant_key(1, 0)));
}

TEST(Sealer, NamesTheKeyOfABlob) {
  EXPECT_EQ(Sealer::key_id_of(sealed("a", tenant_key(0x01020304))).value(), 0x01020304u);
  auto blob = sealed("a", tenant_key());
  EXPECT_FALSE(Sealer::key_id_of(ByteView(blob).first(seal_overhead)));
  blob[0] = 2;
  EXPECT_EQ(Sealer::key_id_of(blob).error().code, Errc::key_invalid);
  blob[0] = 1, blob[4] = 0;
  EXPECT_FALSE(Sealer::key_id_of(blob));
}

ChunkHeader chunk_place() {
  return {.id = object,
          .doc_id = DocId::parse("notes.md").value(),
          .origin = Origin::upload,
          .chunk_index = 3,
          .char_start = 10,
          .char_end = 19,
          .tags = {"a"},
          .model = "mini"};
}

SealedCandidate stored(const SealedChunk& chunk) {
  const auto& at = chunk.header();
  return {.id = at.id,
          .doc_id = at.doc_id.value(),
          .origin = at.origin,
          .chunk_index = at.chunk_index,
          .char_start = at.char_start,
          .char_end = at.char_end,
          .tags = at.tags,
          .distance = 0.25f,
          .text_cipher = chunk.text_cipher(),
          .meta_cipher = chunk.meta_cipher()};
}

TEST(Sealer, CarriesAChunkThroughTheDatabase) {
  const auto key = tenant_key();
  const std::vector<float> vector{0.6f, -0.8f};
  const auto chunk =
      Sealer::seal(tenant("ann"), key, chunk_place(), {"the text", R"({"page":2})", vector})
          .value();
  EXPECT_EQ(chunk.embedding(), vector);
  EXPECT_GT(chunk.bytes(), chunk.text_cipher().size() + chunk.meta_cipher().size());
  const auto passage = Sealer::open(tenant("ann"), key, stored(chunk)).value();
  EXPECT_EQ(passage.text(), "the text");
  EXPECT_EQ(passage.meta_json(), R"({"page":2})");
  EXPECT_EQ(passage.distance(), 0.25f);
  EXPECT_EQ(passage.from().doc_id, "notes.md");
  EXPECT_TRUE(passage.from().text_cipher.empty() && passage.from().meta_cipher.empty());
}

TEST(Sealer, LeavesAnEmptyMetaEmptyAndRefusesAnEmptyText) {
  const auto key = tenant_key();
  const auto chunk = Sealer::seal(tenant("ann"), key, chunk_place(), {"text", "", {}}).value();
  EXPECT_TRUE(chunk.meta_cipher().empty());
  EXPECT_EQ(Sealer::open(tenant("ann"), key, stored(chunk)).value().meta_json(), "");
  EXPECT_EQ(Sealer::seal(tenant("ann"), key, chunk_place(), {"", "{}", {}}).error().code,
            Errc::seal_failed);
}

TEST(Sealer, RefusesAChunkWhoseTextAndMetaWereSwapped) {
  const auto key = tenant_key();
  const auto chunk = Sealer::seal(tenant("ann"), key, chunk_place(), {"text", "{}", {}}).value();
  auto swapped = stored(chunk);
  std::swap(swapped.text_cipher, swapped.meta_cipher);
  EXPECT_EQ(Sealer::open(tenant("ann"), key, std::move(swapped)).error().code, Errc::open_failed);
  auto spoilt = stored(chunk);
  spoilt.meta_cipher.back() ^= 1;
  EXPECT_EQ(Sealer::open(tenant("ann"), key, std::move(spoilt)).error().code, Errc::open_failed);
  EXPECT_FALSE(Sealer::open(tenant("bob"), key, stored(chunk)));
}

}  // namespace
}  // namespace memseal::crypto

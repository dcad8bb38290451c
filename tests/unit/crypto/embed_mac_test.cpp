#include "pure/crypto/embed_mac.hpp"

#include "pure/crypto/internal/bytes.hpp"
#include "support.hpp"

#include <set>

namespace memseal::crypto {
namespace {

using namespace testing;

TenantKey key_filled_with(std::uint8_t fill) { return {1, SecretBytes(ByteView(Bytes(32, fill)))}; }

Uuid mac_of(std::uint8_t key, const std::string& doc, const std::string& model,
            std::size_t dimension, const std::vector<std::int32_t>& tokens,
            const std::string& text) {
  return EmbedMac(key_filled_with(key), DocId::parse(doc).value(), model, dimension)
      .of(tokens, text);
}

// The layout, so that a later version keeps the vectors that this one stored.
TEST(EmbedMac, IsTheHmacOfAllThatDeterminesTheVector) {
  const auto key = derive_key(ByteView(Bytes(32, 7)), "memseal/embedded/v1");
  const auto digest =
      hmac_sha256(key.view(), {sha256(bytes("book")), big_endian(std::uint32_t(384)),
                               big_endian(std::uint32_t(5)), bytes("model"),
                               big_endian(std::uint32_t(2)), big_endian(std::uint32_t(101)),
                               big_endian(std::uint32_t(70'000)), bytes("The cat")});
  EXPECT_EQ(mac_of(7, "book", "model", 384, {101, 70'000}, "The cat"), uuid_v8(digest));
}

TEST(EmbedMac, TellsApartWhateverChangesTheVector) {
  using Ids = std::vector<std::int32_t>;
  const Ids ids{1, 2};
  const std::set<Uuid> macs{mac_of(7, "book", "model", 384, ids, "text"),
                            mac_of(8, "book", "model", 384, ids, "text"),
                            mac_of(7, "copy", "model", 384, ids, "text"),
                            mac_of(7, "book", "other", 384, ids, "text"),
                            mac_of(7, "book", "model", 768, ids, "text"),
                            mac_of(7, "book", "model", 384, Ids{1, 3}, "text"),
                            mac_of(7, "book", "model", 384, Ids{1}, "text"),
                            mac_of(7, "book", "model", 384, ids, "texts"),
                            mac_of(7, "book", "model", 384, Ids{}, ""),
                            mac_of(7, "book", "modelt", 384, ids, "ext")};
  EXPECT_EQ(macs.size(), 10u);
}

TEST(EmbedMac, GivesOneChunkTheSameMacAmongOthers) {
  const EmbedMac mac(key_filled_with(7), DocId::parse("book").value(), "model", 4);
  const std::vector<std::int32_t> one{1}, two{2};
  const auto first = mac.of(one, "a");
  EXPECT_NE(mac.of(two, "b"), first);
  EXPECT_EQ(mac.of(one, "a"), first);
}

}  // namespace
}  // namespace memseal::crypto

// The chunker against any document and rules: every chunk is within its limits, is the text that
// its offsets say, and together they cover every token. Each has a place, whatever stands in the
// document.
#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/text/chunker.hpp"
#include "pure/text/places.hpp"

#include <string>

namespace {

using namespace memseal::text;
namespace codec = memseal::codec;

const WordPiece& words() {
  static const WordPiece made = WordPiece::from_vocabulary(
                                    "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nab\n##a\n##b\n##c\nthe\n.\n!"
                                    "\n,\n\"\n。\n一\nᄀ\n##ᅡ\n")
                                    .value();
  return made;
}

std::size_t byte_of(std::string_view text, std::int32_t code_point) {
  std::size_t at = 0;
  for (; code_point > 0; --code_point) {
    do ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  }
  return at;
}

/// Headings are read of any bytes; pages lie anywhere, in order.
void check_places(std::string_view document, const std::vector<Chunk>& chunks) {
  memseal::Outline outline{.has_headings = true};
  for (std::size_t at = 0; at <= document.size() + 1; at += 1 + document.size() / 3)
    outline.pages.push_back({at, at % 2 == 0 ? "" : "label"});
  const auto places = places_of(document, outline, chunks);
  MEMSEAL_ASSERT(places.size() == chunks.size());
  for (const auto& place : places) {
    MEMSEAL_ASSERT(!place.page.empty() && place.page != place.page_end);
    MEMSEAL_ASSERT(place.heading.size() <= 6 * (place_heading_bytes_max + 3));
    if (codec::is_utf8(document)) MEMSEAL_ASSERT(codec::is_utf8(place.heading));
  }
}

void check(std::string_view document, const ChunkRules& rules) {
  std::vector<Token> tokens;
  words().encode(document, tokens);
  std::size_t covered = 0;  // tokens before this one are in a chunk
  std::int32_t index = 0;
  const auto chunks = chunk(words(), document, rules);
  check_places(document, chunks);
  for (const Chunk& piece : chunks) {
    MEMSEAL_ASSERT(piece.index == index++);
    MEMSEAL_ASSERT(!piece.tokens.empty() && piece.tokens.size() <= rules.tokens);
    MEMSEAL_ASSERT(piece.text.size() <= memseal::limits::seal_bytes_max);
    const std::size_t begin = byte_of(document, piece.char_start);
    const std::size_t end = byte_of(document, piece.char_end);
    MEMSEAL_ASSERT(document.substr(begin, end - begin) == piece.text);
    MEMSEAL_ASSERT(piece.byte_start == begin);
    MEMSEAL_ASSERT(covered == tokens.size() || begin <= tokens[covered].begin);
    while (covered < tokens.size() && tokens[covered].end <= end) ++covered;
  }
  MEMSEAL_ASSERT(covered == tokens.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ChunkRules rules{.tokens = 1 + data[0] % 40u, .overlap = data[1] % 40u};
  std::string document(reinterpret_cast<const char*>(data + 2), size - 2);
  if (!codec::is_utf8(document)) {  // no crash, and the limits hold; offsets mean nothing then
    const auto chunks = chunk(words(), document, rules);
    check_places(document, chunks);
    for (const Chunk& piece : chunks) {
      MEMSEAL_ASSERT(piece.tokens.size() <= rules.tokens);
      MEMSEAL_ASSERT(piece.text.size() <= memseal::limits::seal_bytes_max);
    }
    return 0;
  }
  check(document, rules);
  if (size % 64 == 7) {  // longer than one blob may be
    while (document.size() < memseal::limits::seal_bytes_max + 1'000) document += document + "a";
    for (const Chunk& piece : chunk(words(), document, rules)) {
      MEMSEAL_ASSERT(piece.text.size() <= memseal::limits::seal_bytes_max &&
                     codec::is_utf8(piece.text));
    }
  }
  return 0;
}

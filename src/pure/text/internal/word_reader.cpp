#include "pure/text/internal/word_reader.hpp"

#include "pure/codec/utf8_decode.hpp"
#include "pure/text/internal/unicode_tables.hpp"

#include <cstring>

namespace memseal::text {
namespace {

struct Source {
  std::uint32_t begin, end;
};

void append(Word& word, const char* bytes, std::size_t size, std::size_t chars, Source from) {
  if (word.chars == 0) word.begin = from.begin;
  word.end = from.end;
  word.chars += chars;
  if (word.chars > word_chars_max) return;  // the word becomes unknown anyway
  // Each byte remembers its source character. A token may begin in the middle of a mapped
  // character, and its place in the text is then the whole character.
  for (std::size_t at = 0; at < size; ++at) {
    word.bytes[word.size] = bytes[at];
    word.begin_of[word.size] = from.begin;
    word.end_of[word.size] = from.end;
    ++word.size;
  }
}

// Decomposes a Hangul syllable into its conjoining letters (Unicode standard, section 3.12).
void append_hangul(Word& word, std::uint32_t point, Source from) {
  const std::uint32_t index = point - 0xAC00;
  // 588 = 21 vowels x 28 finals. The third letter 0x11A7 stands for no final.
  const std::uint32_t letters[] = {0x1100 + index / 588, 0x1161 + index % 588 / 28,
                                   0x11A7 + index % 28};
  char bytes[9];
  const std::size_t count = letters[2] == 0x11A7 ? 2 : 3;
  for (std::size_t at = 0; at < count; ++at) {
    bytes[3 * at] = static_cast<char>(0xE0 | letters[at] >> 12);
    bytes[3 * at + 1] = static_cast<char>(0x80 | (letters[at] >> 6 & 0x3F));
    bytes[3 * at + 2] = static_cast<char>(0x80 | (letters[at] & 0x3F));
  }
  append(word, bytes, 3 * count, count, from);
}

}  // namespace

std::size_t read_word(std::string_view text, std::size_t at, Word& word) noexcept {
  word.chars = word.size = 0;
  while (at < text.size()) {
    const auto [point, size] = codec::decode_code_point(text, at);
    const std::size_t next = at + size;
    const Source from{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(next)};
    const std::uint16_t code = unicode::code_of(point);
    if (code == unicode::letter) {
      append(word, text.data() + at, size, 1, from);
    } else if (code == unicode::hangul) {
      append_hangul(word, point, from);
    } else if (code == unicode::space) {
      if (word.chars > 0) return next;
    } else if (code != unicode::drop) {
      const bool is_mapped = code >= unicode::mapped;
      const auto* mapping = is_mapped ? &unicode::mappings[code - unicode::mapped] : nullptr;
      // Punctuation and ideographs end the word before them and are words themselves. They are not
      // consumed while a word is pending: the next call begins with them.
      const bool is_alone = (is_mapped ? mapping->code : code) != unicode::letter;
      if (is_alone && word.chars > 0) return at;
      if (is_mapped) {
        append(word, mapping->text, mapping->bytes, mapping->chars, from);
      } else {
        append(word, text.data() + at, size, 1, from);
      }
      if (is_alone) return next;
    }
    at = next;
  }
  return at;
}

}  // namespace memseal::text

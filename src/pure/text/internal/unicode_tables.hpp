#pragma once
// What BERT's uncased normaliser and splitter make of a code point: a two-stage table, generated
// by scripts/make-unicode-tables from the library whose ids we match, because that library mixes
// Unicode versions (categories of 2016, decompositions of Unicode 9, newer lower case).
#include <cstdint>

namespace memseal::text::unicode {

/// Codes below `mapped` say what the code point itself is.
enum Code : std::uint16_t {
  letter,       ///< part of a word
  drop,         ///< removed: control, format, private use, combining mark, U+FFFD
  space,        ///< ends a word
  punctuation,  ///< a word of its own
  ideograph,    ///< a word of its own
  hangul,       ///< a syllable: becomes two or three letters, by arithmetic
  mapped,       ///< code - mapped is an index into `mappings`
};

/// What a code point becomes once accents and case are gone.
struct Mapping {
  std::uint8_t code;   ///< letter, punctuation or ideograph
  std::uint8_t chars;  ///< number of code points in `text`
  std::uint8_t bytes;  ///< length of `text`
  char text[13];       ///< UTF-8
};

inline constexpr unsigned block_bits = 6;
extern const std::uint8_t block_of[];   ///< by code point >> block_bits
extern const std::uint16_t codes[];     ///< block after block
extern const Mapping mappings[];

/// The code of any code point up to U+10FFFF.
inline std::uint16_t code_of(std::uint32_t point) noexcept {
  const std::uint32_t block = block_of[point >> block_bits];
  return codes[(block << block_bits) + (point & ((1u << block_bits) - 1))];
}

}  // namespace memseal::text::unicode

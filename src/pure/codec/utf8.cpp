#include "pure/codec/utf8.hpp"

#include "pure/codec/utf8_decode.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace memseal::codec {
namespace {

constexpr std::uint64_t high_bits = 0x8080808080808080;

std::uint64_t load8(const char* bytes) noexcept {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// White_Space of the Unicode standard, and general categories Cc and Cf: as a range of code points.
struct Range {
  std::uint32_t first, last;
};
constexpr Range unseen[] = {
    {0x00, 0x20},     {0x7F, 0xA0},     {0xAD, 0xAD},     {0x600, 0x605},     {0x61C, 0x61C},
    {0x6DD, 0x6DD},   {0x70F, 0x70F},   {0x1680, 0x1680}, {0x180E, 0x180E},   {0x2000, 0x200F},
    {0x2028, 0x202F}, {0x205F, 0x2064}, {0x2066, 0x206F}, {0x3000, 0x3000},   {0xFEFF, 0xFEFF},
    {0xFFF9, 0xFFFB}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F}};

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  std::size_t at = 0;
  while (at < bytes.size()) {
    // Most text is ASCII: eight bytes without a high bit are eight code points.
    if (at + 8 <= bytes.size() && (load8(bytes.data() + at) & high_bits) == 0) {
      at += 8;
      continue;
    }
    const auto [point, size] = decode_code_point(bytes, at);
    // U+FFFD itself is well-formed: only its own three bytes may give it.
    if (point == replacement_character && bytes.substr(at, size) != "\xEF\xBF\xBD") return false;
    at += size;
  }
  return true;
}

std::size_t count_code_points(std::string_view utf8) noexcept {
  // Every byte but the continuation bytes 10xxxxxx begins a code point.
  std::size_t count = utf8.size(), at = 0;
  for (; at + 8 <= utf8.size(); at += 8) {
    const std::uint64_t word = load8(utf8.data() + at);
    // Bit 7 of each byte: set there, and bit 6, moved up into its place, clear. That is the pattern
    // 10xxxxxx. The shift leaves 0 or 1 in each byte.
    const std::uint64_t continuations = (word & (~word << 1) & high_bits) >> 7;
    // The product adds all eight bytes up in the highest one, without carry, because 8 fits into a
    // byte.
    count -= (continuations * 0x0101010101010101) >> 56;  // the sum of its bytes
  }
  for (; at < utf8.size(); ++at) {
    count -= (static_cast<unsigned char>(utf8[at]) & 0xC0) == 0x80;
  }
  return count;
}

bool is_blank(std::string_view utf8) noexcept {
  for (std::size_t at = 0; at < utf8.size();) {
    const auto code = decode_code_point(utf8, at);
    const auto* range = std::find_if(std::begin(unseen), std::end(unseen),
                                     [&](const Range& each) { return code.point <= each.last; });
    if (range == std::end(unseen) || code.point < range->first) return false;
    at += code.size;
  }
  return true;
}

bool has_control(std::string_view bytes) noexcept {
  return std::any_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

}  // namespace memseal::codec

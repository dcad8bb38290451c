#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace memseal::codec {

inline constexpr std::uint32_t replacement_character = 0xFFFD;

/// One code point and the number of bytes it took.
struct CodePoint {
  std::uint32_t point;
  std::uint32_t size;
};

/// Reads the code point at `at` < text.size(). Ill-formed bytes give U+FFFD for each maximal
/// subpart (Unicode standard, section 3.9, table 3-8), so `size` is never 0.
inline CodePoint decode_code_point(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t offset) -> std::uint32_t {
    return at + offset < text.size() ? static_cast<unsigned char>(text[at + offset]) : 0;
  };
  const auto follows = [&](std::size_t offset) { return (byte(offset) & 0xC0) == 0x80; };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xC2 || first > 0xF4) return {replacement_character, 1};
  if (!follows(1)) return {replacement_character, 1};
  const std::uint32_t second = byte(1);
  if (first < 0xE0) return {(first & 0x1F) << 6 | (second & 0x3F), 2};
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
    return {replacement_character, 1};
  }
  if (!follows(2)) return {replacement_character, 2};
  const std::uint32_t two = (second & 0x3F) << 6 | (byte(2) & 0x3F);
  if (first < 0xF0) return {(first & 0x0F) << 12 | two, 3};
  if (!follows(3)) return {replacement_character, 3};
  return {(first & 0x07) << 18 | two << 6 | (byte(3) & 0x3F), 4};
}

}  // namespace memseal::codec

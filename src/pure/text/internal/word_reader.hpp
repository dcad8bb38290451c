#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace memseal::text {

/// Longer words are not looked up: they become one unknown token.
inline constexpr std::size_t word_chars_max = 100;

/// One word after cleaning, accents removed and in lower case, and where it came from.
struct Word {
  static constexpr std::size_t bytes_max = 4 * word_chars_max;

  std::size_t chars = 0;    ///< code points, 0 when there is no word; may pass word_chars_max,
  std::size_t size = 0;     ///< and then `bytes` holds only what fitted
  std::uint32_t begin = 0;  ///< source bytes [begin, end)
  std::uint32_t end = 0;
  std::array<char, bytes_max> bytes;                ///< UTF-8
  std::array<std::uint32_t, bytes_max> begin_of;    ///< by byte: the source character
  std::array<std::uint32_t, bytes_max> end_of;      ///< [begin_of, end_of) it came from
};

/// Reads the first word of `text` at or after the byte `at`, whatever its script; returns where
/// to read on. Characters that make no word are passed over.
std::size_t read_word(std::string_view text, std::size_t at, Word& word) noexcept;

}  // namespace memseal::text

#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace memseal::text {

/// A longer word becomes one unknown token, as in the library.
inline constexpr std::size_t word_chars_max = 100;

/// One word after cleaning, in lower case and without accents, and its place in the source.
struct Word {
  static constexpr std::size_t bytes_max = 4 * word_chars_max;

  std::size_t chars = 0;    ///< code points; 0: no word. May exceed word_chars_max, and
  std::size_t size = 0;     ///< then `bytes` holds only the first of them
  std::uint32_t begin = 0;  ///< source bytes [begin, end)
  std::uint32_t end = 0;
  std::array<char, bytes_max> bytes;                ///< UTF-8
  std::array<std::uint32_t, bytes_max> begin_of;    ///< by byte: the source character
  std::array<std::uint32_t, bytes_max> end_of;      ///< [begin_of, end_of) it came from
};

/// Reads the first word of `text` at or after the byte `at`, of any script. Skips characters that
/// belong to no word. Returns where the next call must begin.
std::size_t read_word(std::string_view text, std::size_t at, Word& word) noexcept;

}  // namespace memseal::text

#pragma once
// What memseal-extract writes to its standard output, and the bounds that both sides keep.
// A frame is 8 bytes (type u8, level u8, reserved u16, length u32, little-endian) and a payload of
// UTF-8. Only `begin` comes first and only `end` comes last; a stream without `end` is not whole.
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace memseal::extract {

enum class Frame : unsigned char {
  begin = 'B',    ///< payload: protocol version, TAB, "pdfium" where PDF can be read
  page = 'P',     ///< a page, slide, sheet or chapter begins; payload: its label
  heading = 'H',  ///< level 1 to 9
  paragraph = 'T',
  row = 'R',       ///< of a table, cells by TAB
  verbatim = 'C',  ///< text whose white space counts; follows the one before it without a break
  metadata = 'M',  ///< key, TAB, value
  warning = 'W',   ///< a part could not be read
  end = 'E',       ///< level: End
};

/// How the helper ended.
enum class End : unsigned char {
  whole = 0,
  encrypted = 1,
  damaged = 2,
  too_large = 3,     ///< beyond a bound below
  unsupported = 4,   ///< a format that is not read
  needs_pdfium = 5,  ///< a PDF, and the library is not installed
};
inline constexpr unsigned end_last = 5;

inline constexpr char protocol_version = '1';
inline constexpr std::size_t frame_head_bytes = 8;
inline constexpr std::size_t payload_bytes_max = 1u << 20;
inline constexpr std::size_t frames_max = 2'000'000;
inline constexpr unsigned level_max = 9;

/// The most bytes of frames that a file of `bytes` may become: bounds expansion.
constexpr std::size_t output_bytes_max(std::uint64_t bytes) {
  constexpr std::uint64_t least = 1u << 20, most = 50u << 20;
  return static_cast<std::size_t>(
      std::clamp<std::uint64_t>(100 * std::min(bytes, most), least, most));
}

}  // namespace memseal::extract

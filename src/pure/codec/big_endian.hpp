#pragma once
// Unsigned numbers as big-endian bytes.
#include <array>
#include <cstddef>
#include <cstdint>

namespace memseal::codec {

template <class Unsigned>
std::array<std::uint8_t, sizeof(Unsigned)> big_endian(Unsigned value) noexcept {
  std::array<std::uint8_t, sizeof(Unsigned)> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(value >> (8 * (bytes.size() - 1 - i)));
  return bytes;
}

/// REQUIRES: `from` has sizeof(Unsigned) bytes.
template <class Unsigned>
Unsigned read_big_endian(const std::uint8_t* from) noexcept {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
    value = static_cast<Unsigned>(value << 8 | from[i]);
  return value;
}

}  // namespace memseal::codec

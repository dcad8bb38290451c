#pragma once
// Views and big-endian numbers, as every signed or sealed layout of this module writes them.
#include "base/secret.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace memseal::crypto {

inline ByteView bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view text_of(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class Unsigned>
std::array<std::uint8_t, sizeof(Unsigned)> big_endian(Unsigned value) noexcept {
  std::array<std::uint8_t, sizeof(Unsigned)> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(value >> (8 * (bytes.size() - 1 - i)));
  return bytes;
}

inline std::uint32_t read_u32(const std::uint8_t* from) noexcept {
  return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 | std::uint32_t{from[2]} << 8 |
         std::uint32_t{from[3]};
}

}  // namespace memseal::crypto

#pragma once
// Views and big-endian numbers, as every signed or sealed layout of this module writes them.
#include "base/secret.hpp"
#include "pure/codec/big_endian.hpp"

#include <cstdint>
#include <string_view>

namespace memseal::crypto {

inline ByteView bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view text_of(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using codec::big_endian;

inline std::uint32_t read_u32(const std::uint8_t* from) noexcept {
  return codec::read_big_endian<std::uint32_t>(from);
}

}  // namespace memseal::crypto

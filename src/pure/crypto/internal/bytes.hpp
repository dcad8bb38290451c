#pragma once
// Views and big-endian numbers, as every signed or sealed layout of this module writes them.
#include "base/ids.hpp"
#include "base/secret.hpp"
#include "pure/codec/big_endian.hpp"
#include "pure/crypto/hash.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace memseal::crypto {

inline std::string_view text_of(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using codec::big_endian;

inline std::uint32_t read_u32(const std::uint8_t* from) noexcept {
  return codec::read_big_endian<std::uint32_t>(from);
}

/// The first half of a digest as an id. Version 8 is for ids that an application derives as it
/// likes (RFC 9562, section 5.8).
inline Uuid uuid_v8(const Digest& digest) {
  Uuid uuid;
  std::copy_n(digest.begin(), uuid.bytes.size(), uuid.bytes.begin());
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x80);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

}  // namespace memseal::crypto

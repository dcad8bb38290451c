#pragma once
// Keys for tests, made of one byte.
#include "base/ids.hpp"
#include "base/secret.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace memseal::test {

/// 32 times `fill`.
inline SecretBytes test_key(std::uint8_t fill) {
  const Bytes bytes(32, fill);
  return SecretBytes(bytes);
}

/// 32 bytes that count up from `first`, in hex, as a keyring reads a key.
inline std::string test_key_hex(std::uint8_t first) {
  std::array<std::uint8_t, 32> bytes;
  for (auto& byte : bytes) byte = first++;
  return to_hex(bytes.data(), bytes.size());
}

}  // namespace memseal::test

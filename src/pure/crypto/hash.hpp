#pragma once
#include "base/secret.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace memseal::crypto {

// Each function that computes throws Refused{bad_config} where OpenSSL cannot.

using Digest = std::array<std::uint8_t, 32>;

/// SHA-256 of `data` (FIPS 180-4).
Digest sha256(ByteView data);

/// HMAC-SHA256 over the concatenation of `parts` (FIPS 198-1).
/// REQUIRES: a caller that joins several fields gives each a fixed width or a length, so that no
/// two inputs join to the same bytes.
Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

/// HKDF-SHA256 (RFC 5869) without salt: a 32-byte key for one purpose named by `info`.
SecretBytes derive_key(ByteView root, std::string_view info);

/// Equality in constant time; false when sizes differ.
bool equal_constant_time(ByteView a, ByteView b) noexcept;

}  // namespace memseal::crypto

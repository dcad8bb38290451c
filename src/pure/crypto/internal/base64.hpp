#pragma once
// Base64 (RFC 4648), strict: one text for each value, so that nothing signed or sealed has twins.
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace memseal::crypto {

/// standard: A–Z a–z 0–9 + / with padding. url: - and _ instead, without padding.
enum class Base64 { standard, url };

std::string base64_encode(ByteView bytes, Base64 kind);

/// None for a foreign character, white space, wrong padding, or unused bits that are not zero.
std::optional<Bytes> base64_decode(std::string_view text, Base64 kind);

/// None unless `text` is an even number of hex digits, in either case.
std::optional<Bytes> hex_decode(std::string_view text);

}  // namespace memseal::crypto

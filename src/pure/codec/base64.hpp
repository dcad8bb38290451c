#pragma once
// Base64 (RFC 4648), strict: one text for each value, because a signed or sealed value must not
// have a second spelling.
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace memseal::codec {

/// standard: A–Z a–z 0–9 + / with padding.
/// url: - and _ instead of + and /, without padding.
enum class Base64 { standard, url };

std::string encode_base64(ByteView bytes, Base64 kind);

/// Appends the standard encoding of `bytes` to `out`.
void append_base64(std::string& out, std::string_view bytes);

/// Returns nothing for a foreign character, white space, wrong padding, or unused bits that are not
/// zero. Wipes what it had decoded by then, because that may be most of a key.
std::optional<Bytes> decode_base64(std::string_view text, Base64 kind);

/// The same as a string, for the standard alphabet.
std::optional<std::string> decode_base64_text(std::string_view text);

}  // namespace memseal::codec

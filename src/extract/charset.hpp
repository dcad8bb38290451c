#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace memseal::extract {

bool is_utf8(std::string_view bytes) noexcept;
/// 0 to 15; -1 for what is not a hexadecimal digit.
int hex_digit(char c) noexcept;
/// Appends a code point; U+FFFD for a number that is not one.
void append_code_point(std::string& to, std::uint32_t code_point);

/// `bytes` in UTF-8, without a byte order mark. A byte order mark decides, then `charset` (a name
/// that ICU knows; empty: not known), then whether it is UTF-8, then what ICU guesses. Bytes
/// that mean nothing become U+FFFD.
std::string to_utf8(std::string_view bytes, std::string_view charset = {});

}  // namespace memseal::extract

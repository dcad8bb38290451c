#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace memseal::codec {

/// True when `bytes` is well-formed UTF-8 (Unicode table 3-7: no surrogates, no overlong forms).
bool is_utf8(std::string_view bytes) noexcept;

/// Number of code points in well-formed UTF-8.
std::size_t count_code_points(std::string_view utf8) noexcept;

/// True when no character shows: white space of any script, controls and format characters. A
/// model's tokenizer makes no token of such a text, so it can be neither stored nor asked.
bool is_blank(std::string_view utf8) noexcept;

/// True when a byte below 0x20, or 0x7f, is in `bytes`.
bool has_control(std::string_view bytes) noexcept;

}  // namespace memseal::codec

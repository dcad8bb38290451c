#pragma once
#include <string_view>

namespace memseal::wire {

/// True when `bytes` is well-formed UTF-8 (Unicode table 3-7).
bool well_formed_utf8(std::string_view bytes) noexcept;

/// True when a byte below 0x20, or 0x7f, is in `bytes`.
bool has_control(std::string_view bytes) noexcept;

}  // namespace memseal::wire

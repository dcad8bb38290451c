#pragma once
#include "base/secret.hpp"

#include <optional>
#include <string_view>

namespace memseal::codec {

/// The value of one hex digit in either case; -1 for any other character.
constexpr int hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/// Returns nothing unless `text` is an even number of hex digits, in either case.
std::optional<Bytes> decode_hex(std::string_view text);

}  // namespace memseal::codec

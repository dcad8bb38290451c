#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace memseal::wire {

/// Decodes RFC 4648 base64: standard alphabet, padded, canonical (the unused bits are zero), no
/// white space. Nothing when it is anything else.
std::optional<std::string> decode_base64(std::string_view text);

/// Appends the same encoding of `bytes` to `out`.
void append_base64(std::string& out, std::string_view bytes);

}  // namespace memseal::wire

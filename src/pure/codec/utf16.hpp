#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace memseal::codec {

/// Order of the two bytes of a UTF-16 code unit.
enum class ByteOrder { little, big };

/// The text of `bytes` as UTF-8; empty where they are not well-formed UTF-16 (an odd number of
/// bytes, or half of a surrogate pair). A byte order mark is text like any other: U+FEFF.
std::optional<std::string> utf8_of_utf16(std::string_view bytes, ByteOrder order);

/// The text of a file's bytes as UTF-8: UTF-16 where a byte order mark says so, else UTF-8. Without
/// the mark. Empty where the bytes are in another encoding.
std::optional<std::string> utf8_of_file(std::string bytes);

}  // namespace memseal::codec

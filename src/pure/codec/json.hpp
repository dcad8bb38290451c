#pragma once
// JSON from strangers: bounded, without duplicate keys, without exceptions.
#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace memseal::wire {

namespace json = boost::json;

inline constexpr std::size_t json_depth_max = 32;

/// Parses one JSON text. Refused: nesting deeper than json_depth_max, a key twice in one object,
/// ill-formed UTF-8, numbers beyond a double. Errors carry `code`, and never a word of the text.
/// The caller has checked the size.
Result<json::value> parse_json(std::string_view text, Errc code);

/// Compact JSON; the shortest digits that read back as the same double.
std::string compact_json(const json::value& value);

/// `"text"` with its quotes and escapes.
std::string json_quoted(std::string_view text);

}  // namespace memseal::wire

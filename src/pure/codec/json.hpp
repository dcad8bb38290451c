#pragma once
// Strict JSON (RFC 8259): bounded, without repeated keys, without exceptions.
#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::codec {

namespace json = boost::json;

inline constexpr std::size_t json_depth_max = 32;

/// What a caller accepts. Every reader refuses ill-formed UTF-8, comments, trailing commas and
/// bytes after the value. Sizes are inclusive, and count at every depth.
struct JsonRules {
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  std::size_t depth_max = json_depth_max;  ///< levels of arrays and objects
  std::size_t members_max = unlimited;     ///< members of one object
  std::size_t elements_max = unlimited;    ///< elements of one array
  std::size_t key_bytes_max = unlimited;   ///< bytes of one key, unescaped
  std::size_t text_bytes_max = unlimited;  ///< bytes of one string, unescaped
  /// Accept a repeated key below the outermost object; the last value wins.
  bool repeats_below_top = false;
  /// Accept a number beyond the range of a double, as an infinity.
  bool infinities = false;
  /// Accept an escaped half of a surrogate pair (\ud800 alone), as U+FFFD.
  bool lone_surrogates = false;
};

/// Why a text was refused.
struct JsonFault {
  enum class Kind { malformed, too_deep, too_large, repeated_key };
  Kind kind = Kind::malformed;
  std::string key = {};  ///< of repeated_key. It comes from the text: never show it to a client.
};

/// Parses one JSON text into `value`. Returns the fault and leaves `value` alone if the text is
/// refused. Numbers are read to the nearest double.
/// REQUIRES: the caller has checked the size of `text`, because time and memory grow with it.
std::optional<JsonFault> read_json(std::string_view text, const JsonRules& rules,
                                   json::value& value);

/// Parses one JSON text under the default rules, which are the strictest. Errors carry `code` and a
/// sentence for the client, and never a word of the text.
Result<json::value> parse_json(std::string_view text, Errc code);

/// Compact JSON. Doubles take the shortest digits that read back as the same double.
std::string compact_json(const json::value& value);

/// Appends `number` in the shortest digits that read back as the same number.
/// JSON has no infinity and no NaN: an infinity is written as 1e99999, a number beyond every double
/// (as Boost.JSON does), and NaN as null.
void append_number(std::string& out, double number);
void append_number(std::string& out, float number);

/// `"text"` with its quotes and escapes.
std::string json_quoted(std::string_view text);

}  // namespace memseal::codec

#pragma once
// The JSON of a token: its header and its claims.
#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace memseal::crypto {

/// Parses one JSON object of at most 64 members that nests at most 8 deep and repeats no key,
/// because two readers of a repeated key may believe different things.
/// Returns nothing for any other text.
std::optional<boost::json::object> parse_token_json(std::string_view text);

/// The string that is the member `name`. Returns nothing if it is absent or not a string.
std::optional<std::string_view> text_member(const boost::json::object& object,
                                            std::string_view name);

/// `value` rounded down to a whole number. Returns nothing unless it is a number within ±2^53.
std::optional<std::int64_t> whole_number(const boost::json::value& value);

/// True if `value` is a string equal to `wanted`, or an array of only strings, one of them equal.
bool holds_text(const boost::json::value& value, std::string_view wanted);

}  // namespace memseal::crypto

#pragma once
// Values of fields with parameters: `form-data; name="a"` (RFC 9110 §5.6.6).
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::wire {

struct FieldValue {
  std::string value;  ///< up to the first ';', in lower case
  std::map<std::string, std::string, std::less<>> parameters = {};  ///< names in lower case
};

/// Empty for what is malformed, and for a parameter that is there twice. In a quoted text a
/// backslash escapes a quotation mark and a backslash, and stands for itself before anything else,
/// because browsers do not escape it.
std::optional<FieldValue> parse_field_value(std::string_view text);

/// A character of a token (RFC 9110 §5.6.2).
bool is_token_char(char c) noexcept;

}  // namespace memseal::wire

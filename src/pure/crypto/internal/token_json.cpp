#include "pure/crypto/internal/token_json.hpp"

#include "pure/codec/json.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::crypto {

namespace {

namespace json = boost::json;

// Keys may repeat inside a claim, because no reader here looks inside one.
// The header of a token is read before its signature is verified, so its size and depth are bounded
// for a stranger.
constexpr codec::JsonRules token_rules{.depth_max = 8,
                                       .members_max = 64,
                                       .elements_max = 1'024,
                                       .key_bytes_max = 256,
                                       .text_bytes_max = 65'536,
                                       .repeats_below_top = true,
                                       .infinities = true};
constexpr std::ptrdiff_t texts_max = 64;
// Above this, a double does not hold every whole number, and far above it the conversion to 64 bits
// is undefined.
constexpr double exact_max = 9'007'199'254'740'992.0;  // 2^53

bool is_text(const json::value& value) { return value.is_string(); }

// A list of audiences has few entries.
bool lists_too_many_texts(const json::value& value) {
  if (!value.is_array()) return false;
  const auto& list = value.get_array();
  return std::find_if_not(list.begin(), list.end(), is_text) - list.begin() > texts_max;
}

}  // namespace

std::optional<json::object> parse_token_json(std::string_view text) {
  json::value value;
  if (codec::read_json(text, token_rules, value) || !value.is_object()) return std::nullopt;
  auto& object = value.get_object();
  const bool too_long = std::any_of(object.begin(), object.end(), [](const auto& member) {
    return lists_too_many_texts(member.value());
  });
  if (too_long) return std::nullopt;
  return std::move(object);
}

std::optional<std::string_view> text_member(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get_string();
}

// A NumericDate may have a fraction (RFC 7519, section 2). Rounded down, so that exp is never later
// than the token says.
std::optional<std::int64_t> whole_number(const json::value& value) {
  if (!value.is_number()) return std::nullopt;
  const double whole = std::floor(value.to_number<double>());
  if (!std::isfinite(whole) || std::abs(whole) >= exact_max) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

// An audience is one text or an array of texts (RFC 7519, section 4.1.3).
bool holds_text(const json::value& value, std::string_view wanted) {
  if (value.is_string()) return value.get_string() == wanted;
  if (!value.is_array()) return false;
  const auto& list = value.get_array();
  return std::all_of(list.begin(), list.end(), is_text) &&
         std::any_of(list.begin(), list.end(),
                     [&](const auto& text) { return text.get_string() == wanted; });
}

}  // namespace memseal::crypto

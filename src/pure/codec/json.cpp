#include "pure/codec/json.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace memseal::codec {

namespace {

using boost::system::error_code;

/// Builds a value, and holds it to rules that Boost.JSON does not have.
// Boost.JSON calls these members for each event of the text. A member that returns false ends the
// parse.
// Limits are checked before a part is stored, so a refused text costs no more memory than the
// limits allow.
class Builder {
 public:
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  explicit Builder(const JsonRules& rules) : rules_(rules) {}

  bool on_document_begin(error_code&) {
    values_.reset();
    return true;
  }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code&) {
    first_key_.push_back(keys_.size());
    return true;
  }
  bool on_object_end(std::size_t size, error_code& ec) {
    const auto mine = keys_.begin() + static_cast<std::ptrdiff_t>(first_key_.back());
    // Software differs in which of two equal keys it takes (RFC 8259, section 4). A text with both
    // could pass a check here and mean something else to the next reader. Sorting costs n log n;
    // comparing each key with all others would let one text cost quadratic time.
    if (depth_of_repeats() >= first_key_.size()) {
      std::sort(mine, keys_.end());
      const auto repeated = std::adjacent_find(mine, keys_.end());
      if (repeated != keys_.end())
        return refuse({JsonFault::Kind::repeated_key, std::move(*repeated)}, ec);
    }
    keys_.erase(mine, keys_.end());
    first_key_.pop_back();
    values_.push_object(size);
    return true;
  }
  // An array is a level without keys. Pushing it keeps first_key_ as long as the depth.
  bool on_array_begin(error_code&) {
    first_key_.push_back(keys_.size());
    return true;
  }
  bool on_array_end(std::size_t size, error_code& ec) {
    if (size > rules_.elements_max) return too_large(ec);
    first_key_.pop_back();
    values_.push_array(size);
    return true;
  }

  // `bytes` counts the whole key so far, not this part. A key arrives in parts where it has
  // escapes.
  bool on_key_part(std::string_view part, std::size_t bytes, error_code& ec) {
    if (bytes > rules_.key_bytes_max) return too_large(ec);
    key_.append(part);
    values_.push_chars(part);
    return true;
  }
  bool on_key(std::string_view part, std::size_t bytes, error_code& ec) {
    if (bytes > rules_.key_bytes_max) return too_large(ec);
    if (keys_.size() - first_key_.back() >= rules_.members_max) return too_large(ec);
    key_.append(part);
    keys_.push_back(std::move(key_));
    key_.clear();
    values_.push_key(part);
    return true;
  }
  bool on_string_part(std::string_view part, std::size_t bytes, error_code& ec) {
    if (bytes > rules_.text_bytes_max) return too_large(ec);
    values_.push_chars(part);
    return true;
  }
  bool on_string(std::string_view part, std::size_t bytes, error_code& ec) {
    if (bytes > rules_.text_bytes_max) return too_large(ec);
    values_.push_string(part);
    return true;
  }

  bool on_number_part(std::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, std::string_view, error_code&) {
    values_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, std::string_view, error_code&) {
    values_.push_uint64(number);
    return true;
  }
  bool on_double(double number, std::string_view, error_code& ec) {
    // Boost.JSON reads a number like 1e999 as an infinity and reports no error.
    if (!std::isfinite(number) && !rules_.infinities) return refuse({}, ec);
    values_.push_double(number);
    return true;
  }
  bool on_bool(bool truth, error_code&) {
    values_.push_bool(truth);
    return true;
  }
  bool on_null(error_code&) {
    values_.push_null();
    return true;
  }
  bool on_comment_part(std::string_view, error_code&) { return true; }
  bool on_comment(std::string_view, error_code&) { return true; }

  std::optional<JsonFault>& fault() { return fault_; }
  json::value release() { return values_.release(); }

 private:
  // Down to which level keys must differ. An array is a level too.
  std::size_t depth_of_repeats() const {
    return rules_.repeats_below_top ? 1 : std::numeric_limits<std::size_t>::max();
  }
  bool refuse(JsonFault fault, error_code& ec) {
    fault_ = std::move(fault);
    ec = json::error::syntax;
    return false;
  }
  bool too_large(error_code& ec) { return refuse({JsonFault::Kind::too_large}, ec); }

  const JsonRules& rules_;
  json::value_stack values_;
  std::string key_;
  std::vector<std::string> keys_;       // of all open objects, the innermost object's last
  std::vector<std::size_t> first_key_;  // where the keys of each open level begin
  std::optional<JsonFault> fault_;
};

std::string sentence_of(const JsonFault& fault) {
  switch (fault.kind) {
    case JsonFault::Kind::repeated_key:
      return "an object has the same key twice";
    case JsonFault::Kind::too_deep:
      return "JSON nested deeper than " + std::to_string(json_depth_max) + " levels";
    case JsonFault::Kind::too_large:
    case JsonFault::Kind::malformed:
      break;
  }
  return "not valid JSON";
}

template <class Number>
void append_digits(std::string& out, Number number) {
  // to_chars() would write "inf" and "nan", which no reader of JSON takes.
  if (std::isnan(number)) {
    out += "null";
  } else if (std::isinf(number)) {
    out += number < 0 ? "-1e99999" : "1e99999";
  } else {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
}

void append_compact(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::object: {
      out += '{';
      for (bool first = true; const auto& member : value.get_object()) {
        if (!std::exchange(first, false)) out += ',';
        out.append(json_quoted(member.key())).append(1, ':');
        append_compact(out, member.value());
      }
      out += '}';
      return;
    }
    case json::kind::array: {
      out += '[';
      for (bool first = true; const auto& item : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        append_compact(out, item);
      }
      out += ']';
      return;
    }
    case json::kind::double_:
      // Boost.JSON writes 1.5 as 1.5E0: valid, but not the shortest form.
      append_number(out, value.get_double());
      return;
    default:
      out += json::serialize(value);
      return;
  }
}

}  // namespace

std::optional<JsonFault> read_json(std::string_view text, const JsonRules& rules,
                                   json::value& value) {
  json::parse_options options;
  options.max_depth = rules.depth_max;
  // The default is faster and may miss the nearest double by one unit in the last place.
  options.numbers = json::number_precision::precise;
  options.allow_invalid_utf16 = rules.lone_surrogates;
  json::basic_parser<Builder> parser(options, rules);
  error_code ec;
  // False: no more text follows, so a text that ends too early is an error. The parser stops behind
  // the first value, so unread bytes are an error too.
  const auto used = parser.write_some(false, text.data(), text.size(), ec);
  if (!ec && used < text.size()) ec = json::error::extra_data;
  if (!ec) {
    value = parser.handler().release();
    return std::nullopt;
  }
  if (auto& fault = parser.handler().fault()) return std::move(fault);
  return JsonFault{ec == json::error::too_deep ? JsonFault::Kind::too_deep
                                               : JsonFault::Kind::malformed};
}

Result<json::value> parse_json(std::string_view text, Errc code) {
  if (text.empty()) return Error{code, "empty where a JSON object was expected"};
  json::value value;
  if (const auto fault = read_json(text, {}, value)) return Error{code, sentence_of(*fault)};
  return value;
}

void append_number(std::string& out, double number) { append_digits(out, number); }
void append_number(std::string& out, float number) { append_digits(out, number); }

std::string compact_json(const json::value& value) {
  std::string out;
  append_compact(out, value);
  return out;
}

std::string json_quoted(std::string_view text) { return json::serialize(json::string_view(text)); }

}  // namespace memseal::codec

#include "adapters/model/checkpoint/json_strict.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>

#include <set>
#include <string>
#include <vector>

namespace memseal::model {

namespace {

namespace json = boost::json;

constexpr std::size_t depth_max = 16;

/// Hears every key of a document and remembers those of the objects that are still open.
struct KeyListener {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  using Text = json::string_view;
  using Code = boost::system::error_code;

  std::vector<std::set<std::string, std::less<>>> open;
  std::string key;
  std::string repeated;

  bool on_object_begin(Code&) { return open.emplace_back(), true; }
  bool on_object_end(std::size_t, Code&) { return open.pop_back(), true; }
  bool on_key_part(Text part, std::size_t, Code&) { return key.append(part), true; }
  bool on_key(Text part, std::size_t, Code& code) {
    key.append(part);
    if (!open.back().insert(key).second) {
      repeated = key;
      code = json::error::extra_data;
      return false;
    }
    return key.clear(), true;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

}  // namespace

Result<json::value> parse_strict(std::string_view text) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::basic_parser<KeyListener> listener(options);
  boost::system::error_code code;
  const auto read = listener.write_some(false, text.data(), text.size(), code);
  if (!listener.handler().repeated.empty())
    return Error{Errc::model_invalid, "repeats the key \"" + listener.handler().repeated + "\""};
  if (code || read != text.size()) return Error{Errc::model_invalid, "is not well-formed JSON"};
  auto value = json::parse(text, code, {}, options);
  if (code) return Error{Errc::model_invalid, "is not well-formed JSON"};
  return value;
}

}  // namespace memseal::model

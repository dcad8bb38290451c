#include "pure/crypto/internal/json_members.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <cmath>

namespace memseal::crypto {

namespace {

namespace json = boost::json;
using Ec = boost::system::error_code;
using Text = json::string_view;

constexpr std::size_t members_max = 64, texts_max = 64, text_bytes_max = 65'536;
constexpr double exact_max = 9'007'199'254'740'992.0;  // 2^53

// Sees the object token by token; what lies deeper than its members is checked and dropped.
struct Collector {
  static constexpr std::size_t max_object_size = members_max;
  static constexpr std::size_t max_array_size = 1'024;
  static constexpr std::size_t max_key_size = 256;
  static constexpr std::size_t max_string_size = text_bytes_max;

  std::vector<JsonMember> members;
  std::string pending;
  int depth = 0;
  bool in_list = false;  // directly inside an array that is a member's value

  static bool refuse(Ec& ec) {
    ec = json::make_error_code(json::error::syntax);
    return false;
  }
  // The start of any value: at the top only an object is one.
  bool begin_value(Ec& ec) {
    if (depth == 0) return refuse(ec);
    return true;
  }
  void set_scalar(JsonMember::Kind kind, std::int64_t number) {
    if (depth == 1) {
      members.back().kind = kind;
      members.back().number = number;
    } else if (in_list && depth == 2) {
      members.back().kind = JsonMember::Kind::other;
      in_list = false;
    }
  }

  bool on_document_begin(Ec&) { return true; }
  bool on_document_end(Ec&) { return true; }
  bool on_object_begin(Ec&) {
    if (depth > 0) set_scalar(JsonMember::Kind::other, 0);
    ++depth;
    return true;
  }
  bool on_object_end(std::size_t, Ec&) {
    --depth;
    return true;
  }
  bool on_array_begin(Ec& ec) {
    if (!begin_value(ec)) return false;
    if (depth == 1) {
      members.back().kind = JsonMember::Kind::texts;
      in_list = true;
    } else {
      set_scalar(JsonMember::Kind::other, 0);
    }
    ++depth;
    return true;
  }
  bool on_array_end(std::size_t, Ec&) {
    --depth;
    if (depth == 1) in_list = false;
    return true;
  }
  bool on_key_part(Text part, std::size_t, Ec&) {
    if (depth == 1) pending.append(part.data(), part.size());
    return true;
  }
  bool on_key(Text part, std::size_t, Ec& ec) {
    if (depth != 1) return true;
    pending.append(part.data(), part.size());
    for (const auto& member : members)
      if (member.name == pending) return refuse(ec);
    members.push_back({.name = std::move(pending)});
    pending.clear();
    return true;
  }
  bool keeps_text() const { return depth == 1 || (in_list && depth == 2); }
  bool on_string_part(Text part, std::size_t, Ec& ec) {
    if (!begin_value(ec)) return false;
    if (keeps_text()) pending.append(part.data(), part.size());
    return true;
  }
  bool on_string(Text part, std::size_t, Ec& ec) {
    if (!begin_value(ec)) return false;
    if (!keeps_text()) return true;
    pending.append(part.data(), part.size());
    auto& member = members.back();
    if (depth == 1) {
      member.kind = JsonMember::Kind::text;
      member.text = std::move(pending);
    } else {
      if (member.texts.size() >= texts_max) return refuse(ec);
      member.texts.push_back(std::move(pending));
    }
    pending.clear();
    return true;
  }
  bool on_number_part(Text, Ec&) { return true; }
  bool on_int64(std::int64_t number, Text, Ec& ec) {
    return on_double(static_cast<double>(number), {}, ec);
  }
  bool on_uint64(std::uint64_t number, Text, Ec& ec) {
    return on_double(static_cast<double>(number), {}, ec);
  }
  bool on_double(double number, Text, Ec& ec) {
    if (!begin_value(ec)) return false;
    const double whole = std::floor(number);
    const bool exact = std::isfinite(number) && std::abs(whole) < exact_max;
    set_scalar(exact ? JsonMember::Kind::number : JsonMember::Kind::other,
               exact ? static_cast<std::int64_t>(whole) : 0);
    return true;
  }
  bool on_bool(bool, Ec& ec) {
    if (!begin_value(ec)) return false;
    set_scalar(JsonMember::Kind::other, 0);
    return true;
  }
  bool on_null(Ec& ec) { return on_bool(false, ec); }
  bool on_comment_part(Text, Ec& ec) { return refuse(ec); }
  bool on_comment(Text, Ec& ec) { return refuse(ec); }
};

}  // namespace

std::optional<JsonMembers> JsonMembers::parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = 8;
  json::basic_parser<Collector> parser(options);
  Ec ec;
  const auto read = parser.write_some(false, text.data(), text.size(), ec);
  if (ec || !parser.done() || read != text.size()) return std::nullopt;
  JsonMembers object;
  object.members_ = std::move(parser.handler().members);
  return object;
}

const JsonMember* JsonMembers::find(std::string_view name) const noexcept {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [name](const auto& member) { return member.name == name; });
  return found == members_.end() ? nullptr : &*found;
}

}  // namespace memseal::crypto

#include "pure/wire/internal/fields.hpp"

#include "base/limits.hpp"
#include "pure/codec/did_you_mean.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/event.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace memseal::wire {

namespace {

std::string size_message(TextSize size) {
  if (size.least == size.most) return "must have " + std::to_string(size.most) + " bytes";
  return "must have " + std::to_string(size.least) + " to " + std::to_string(size.most) + " bytes";
}

/// The whole number that a JSON number is: 5, and also 5.0, because JSON Schema calls a number
/// without a fraction an integer.
std::optional<std::int64_t> whole_number(const json::value& value) noexcept {
  constexpr double exact = 9'007'199'254'740'992;  // 2^53: doubles up to it hold every integer
  if (const auto* number = value.if_int64()) return *number;
  const auto* number = value.if_double();
  if (number == nullptr || std::trunc(*number) != *number || std::abs(*number) > exact) return {};
  return static_cast<std::int64_t>(*number);
}

std::string escaped_token(std::string_view key) {
  std::string token;
  for (const char c : key) {
    if (c == '~')
      token += "~0";
    else if (c == '/')
      token += "~1";
    else
      token += c;
  }
  return token;
}

}  // namespace

std::optional<std::string_view> printable_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 40) return std::nullopt;
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  // Names come from the client and go into problems and logs.
  return plain ? std::optional(name) : std::nullopt;
}

std::string pointer_at(std::string_view base, std::size_t index) {
  return std::string(base) + '/' + std::to_string(index);
}

std::string FieldReader::at(std::string_view key) const {
  return pointer_ + '/' + escaped_token(key);
}

const json::value* FieldReader::member(std::string_view key, Presence presence) {
  // Whoever asks for a member makes it known. close() then finds those that nobody asked for, so a
  // new member cannot be forgotten there.
  known_.push_back(key);
  const auto* value = object_.if_contains(key);
  const bool is_null = value != nullptr && value->is_null();
  // Many clients write null for what they leave out.
  if (is_null) value = nullptr;
  if (value == nullptr && presence == Presence::required)
    fail(key, is_null ? "must not be null" : "is missing");
  return value;
}

bool FieldReader::text(std::string_view key, std::string& out, TextSize size, Presence presence) {
  const auto* value = member(key, presence);
  if (value == nullptr) return false;
  const auto* string = value->if_string();
  if (string == nullptr) return fail(key, "must be a string"), false;
  if (string->size() < size.least || string->size() > size.most)
    return fail(key, size_message(size)), false;
  out.assign(string->data(), string->size());
  return true;
}

bool FieldReader::integer(std::string_view key, std::int64_t& out, std::int64_t least,
                          std::int64_t most, Presence presence) {
  const auto* value = member(key, presence);
  if (value == nullptr) return false;
  const auto number = whole_number(*value);
  if (!number || *number < least || *number > most) {
    fail(key,
         "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return false;
  }
  out = *number;
  return true;
}

bool FieldReader::truth(std::string_view key, bool& out) {
  const auto* value = member(key, Presence::optional);
  if (value == nullptr) return false;
  const auto* truth = value->if_bool();
  if (truth == nullptr) return fail(key, "must be true or false"), false;
  out = *truth;
  return true;
}

const json::object* FieldReader::object(std::string_view key, Presence presence) {
  const auto* value = member(key, presence);
  if (value == nullptr) return nullptr;
  const auto* object = value->if_object();
  if (object == nullptr) fail(key, "must be an object");
  return object;
}

const json::array* FieldReader::array(std::string_view key, Presence presence) {
  const auto* value = member(key, presence);
  if (value == nullptr) return nullptr;
  const auto* array = value->if_array();
  if (array == nullptr) fail(key, "must be an array");
  return array;
}

void FieldReader::tags(std::string_view key, std::vector<std::string>& out) {
  const auto* list = array(key, Presence::optional);
  if (list == nullptr) return;
  if (list->size() > limits::tags_max)
    return fail(key, "holds at most " + std::to_string(limits::tags_max) + " tags");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto place = pointer_at(at(key), i);
    const auto* string = (*list)[i].if_string();
    if (string == nullptr) return fault_.add(place, "must be a string");
    const std::string_view tag(*string);
    if (tag.empty() || tag.size() > limits::tag_bytes_max)
      return fault_.add(place, size_message({1, limits::tag_bytes_max}));
    if (codec::has_control(tag)) return fault_.add(place, "must hold no control characters");
    if (std::find(out.begin(), out.end(), tag) == out.end()) out.emplace_back(tag);
  }
}

void FieldReader::attributes(std::string_view key, std::string& out) {
  const auto* value = member(key, Presence::optional);
  if (value == nullptr) return;
  if (!value->is_object()) return fail(key, "must be an object");
  auto compact = codec::compact_json(*value);
  if (compact.size() > attributes_bytes_max)
    return fail(key, "must have at most " + std::to_string(attributes_bytes_max) + " bytes");
  out = std::move(compact);
}

void FieldReader::close() {
  for (const auto& member : object_) {
    const std::string_view key = member.key();
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const auto name = printable_name(key);
    if (!name) return fault_.add(pointer_, "holds a member with an unknown name");
    std::string message = "is not a known member";
    if (const auto meant = codec::did_you_mean(*name, known_))
      message.append("; did you mean \"").append(*meant).append("\"?");
    return fail(*name, message);
  }
}

}  // namespace memseal::wire

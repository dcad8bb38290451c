#include "pure/wire/internal/event_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

namespace memseal::wire {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf", replacement = "\xef\xbf\xbd";

bool is_replaced(std::string_view text) { return text.find(replacement) != text.npos; }

/// True when a key below `value` holds U+FFFD; with `texts`, also when a text does.
bool holds_replacement(const json::value& value, bool texts) {
  if (const auto* text = value.if_string()) return texts && is_replaced(*text);
  if (const auto* list = value.if_array())
    return std::any_of(list->begin(), list->end(),
                       [&](const auto& item) { return holds_replacement(item, texts); });
  const auto* object = value.if_object();
  return object != nullptr && std::any_of(object->begin(), object->end(), [&](const auto& member) {
           return is_replaced(member.key()) || holds_replacement(member.value(), texts);
         });
}

/// True when U+FFFD stands where a lone surrogate must not be replaced.
bool is_damaged(const json::value& value, JsonIs what) {
  const auto* object = value.if_object();
  if (object == nullptr) return what == JsonIs::event;  // Data may be one text.
  for (const auto& member : *object) {
    const std::string_view key = member.key();
    if (is_replaced(key)) return true;
    const bool is_text = what == JsonIs::data &&
                         (key == "content" || key == "messages" || key == "attributes");
    const bool is_data = what == JsonIs::event && key == "data";
    if (is_data ? is_damaged(member.value(), JsonIs::data)
                : holds_replacement(member.value(), !is_text))
      return true;
  }
  return false;
}

}  // namespace

Result<json::value> parse_event_json(std::string_view bytes, JsonIs what, Adapted& adapted) {
  if (bytes.starts_with(byte_order_mark)) {
    bytes.remove_prefix(byte_order_mark.size());
    ++adapted.byte_order_marks;
  }
  auto parsed = codec::parse_json(bytes, Errc::bad_event);
  if (parsed || bytes.find("\\u") == bytes.npos) return parsed;
  json::value lenient;
  if (codec::read_json(bytes, {.lone_surrogates = true}, lenient)) return parsed;
  if (is_damaged(lenient, what))
    return Error{Errc::bad_event, "holds half of a surrogate pair outside its texts"};
  adapted.lone_surrogates = 1;
  return lenient;
}

std::string storable_text(std::string text, Adapted& adapted) {
  if (text.starts_with(byte_order_mark)) {
    text.erase(0, byte_order_mark.size());
    ++adapted.byte_order_marks;
  }
  adapted.zero_bytes += std::erase(text, '\0');
  return text;
}

}  // namespace memseal::wire

#include "pure/wire/internal/turn_shape.hpp"

#include "base/limits.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/event_text.hpp"

#include <algorithm>
#include <array>

namespace memseal::wire {

namespace {

constexpr std::size_t turn_id_bytes_max = 255;
constexpr std::array<std::string_view, 6> roles{"user",      "assistant", "system",
                                                "developer", "tool",      "function"};
/// What stands instead of a content in a turn that has none.
constexpr std::array<std::string_view, 4> instead_of_content{"tool_calls", "function_call",
                                                             "refusal", "audio"};
constexpr std::array<std::string_view, 3> text_parts{"text", "input_text", "output_text"};

template <class Names>
bool is_among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Adds the text of one part to `text`. Parts of another type (images, tool calls) hold no text
/// that a question could find.
void add_part(const json::value& part, const std::string& pointer, Adapted& adapted,
              std::string& text, Fault& fault) {
  const auto add = [&](std::string_view more) {
    if (!text.empty() && !more.empty()) text += '\n';
    text += more;
  };
  if (const auto* string = part.if_string()) return add(*string);
  const auto* object = part.if_object();
  if (object == nullptr) return fault.add(pointer, "must be a string or an object");
  FieldReader fields(*object, pointer, fault);
  std::string type, more;
  if (!fields.text("type", type, {1, 64}, Presence::required)) return;
  if (!is_among(text_parts, type)) {
    ++adapted.other_parts;
    return;
  }
  if (fields.text("text", more, {0, limits::event_bytes_max}, Presence::required)) add(more);
}

/// The text of a turn: a string, or the texts of a list of parts. Empty for null, and where tool
/// calls stand instead of a content.
std::string content_of(const json::object& message, const std::string& pointer, Adapted& adapted,
                       Fault& fault) {
  const auto place = pointer + "/content";
  const auto* content = message.if_contains("content");
  if (content == nullptr) {
    const bool is_silent =
        std::any_of(instead_of_content.begin(), instead_of_content.end(),
                    [&](std::string_view name) { return message.contains(name); });
    if (!is_silent) fault.add(place, "is missing");
    return {};
  }
  if (content->is_null()) return {};
  if (const auto* string = content->if_string()) return std::string(*string);
  const auto* parts = content->if_array();
  if (parts == nullptr) return fault.add(place, "must be a string, null or a list of parts"), "";
  std::string text;
  for (std::size_t i = 0; i < parts->size() && !fault.first; ++i)
    add_part((*parts)[i], pointer_at(place, i), adapted, text, fault);
  return text;
}

/// The client's own name of a turn: a string, or a whole number, which names it by its digits.
void read_turn_id(FieldReader& fields, TurnIds ids, std::string& id) {
  const auto* value = fields.member("id", Presence::optional);
  if (value == nullptr) return;
  std::string name;
  if (const auto* string = value->if_string()) name = std::string(*string);
  if (const auto* number = value->if_int64()) name = std::to_string(*number);
  if (!name.empty() && name.size() <= turn_id_bytes_max && !codec::has_control(name))
    id = std::move(name);
  else if (ids == TurnIds::strict)
    fields.fail("id", "must be a string of 1 to 255 bytes without control characters");
}

}  // namespace

bool has_text(const ChatMessage& message) noexcept {
  return message.content.find_first_not_of(" \t\r\n\v\f") != std::string::npos;
}

ChatMessage read_turn(const json::value& value, const std::string& place, TurnIds ids,
                      Adapted& adapted, Fault& fault) {
  ChatMessage message;
  const auto* object = value.if_object();
  if (object == nullptr) return fault.add(place, "must be an object"), message;
  FieldReader fields(*object, place, fault);
  if (fields.text("role", message.role, {1, 16}, Presence::required) &&
      !is_among(roles, message.role))
    fields.fail("role",
                "must be \"user\", \"assistant\", \"system\", \"developer\", \"tool\" or "
                "\"function\"");
  message.content = content_of(*object, place, adapted, fault);
  // Until nothing changes, so that a turn is the same to the route that takes it and to the worker
  // that reads it again.
  for (std::size_t size = 0; size != message.content.size();) {
    size = message.content.size();
    message.content = storable_text(std::move(message.content), adapted);
  }
  std::string created;
  if (fields.text("created_at", created, {1, 64}, Presence::optional)) {
    const auto time = codec::parse_rfc3339(created);
    if (!time) fields.fail("created_at", "is not an RFC 3339 time");
    message.created_at_ms = time.value_or(0);
  }
  read_turn_id(fields, ids, message.id);
  if (!has_text(message)) ++adapted.silent_turns;
  return message;
}

std::vector<ChatMessage> read_turns(FieldReader& fields, std::string_view key, TurnIds ids,
                                    Adapted& adapted) {
  std::vector<ChatMessage> turns;
  const auto* list = fields.array(key, Presence::required);
  if (list == nullptr) return turns;
  if (list->empty() || list->size() > turns_max)
    fields.fail(key, "must hold 1 to " + std::to_string(turns_max) + " " + std::string(key));
  const auto place = fields.at(key);
  for (std::size_t i = 0; i < list->size() && !fields.fault().first; ++i)
    turns.push_back(read_turn((*list)[i], pointer_at(place, i), ids, adapted, fields.fault()));
  return turns;
}

}  // namespace memseal::wire

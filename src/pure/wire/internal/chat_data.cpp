#include "pure/wire/internal/chat_data.hpp"

#include "base/limits.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/event_text.hpp"

#include <algorithm>
#include <array>

namespace memseal::wire {

namespace {

constexpr std::size_t messages_max = 1'000;
constexpr std::size_t conversation_bytes_max = 255;
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

ChatMessage read_message(const json::value& value, std::size_t index, Adapted& adapted,
                         Fault& fault) {
  ChatMessage message;
  const auto place = pointer_at("/data/messages", index);
  const auto* object = value.if_object();
  if (object == nullptr) return fault.add(place, "must be an object"), message;
  FieldReader fields(*object, place, fault);
  if (fields.text("role", message.role, {1, 16}, Presence::required) &&
      !is_among(roles, message.role))
    fields.fail("role",
                "must be \"user\", \"assistant\", \"system\", \"developer\", \"tool\" or "
                "\"function\"");
  message.content = storable_text(content_of(*object, place, adapted, fault), adapted);
  std::string created;
  if (fields.text("created_at", created, {1, 64}, Presence::optional)) {
    const auto time = codec::parse_rfc3339(created);
    if (!time) fields.fail("created_at", "is not an RFC 3339 time");
    message.created_at_ms = time.value_or(0);
  }
  if (!has_text(message)) ++adapted.silent_turns;
  return message;  // Without close(): a client's own members (name, tool_call_id, id) are no fault.
}

}  // namespace

bool has_text(const ChatMessage& message) noexcept {
  return message.content.find_first_not_of(" \t\r\n\v\f") != std::string::npos;
}

std::optional<DocId> doc_id_of(std::string_view text, std::string_view pointer, Fault& fault) {
  auto id = DocId::parse(text);
  if (id) return std::move(*id);
  fault.add(pointer, "must have 1 to 255 bytes and no control characters");
  return std::nullopt;
}

Result<Event> read_chat(EventHead head, const json::object& data) {
  Fault fault{Errc::bad_event};
  FieldReader fields(data, "/data", fault);
  std::string conversation;
  std::optional<DocId> conversation_id;
  if (fields.text("conversation_id", conversation, {1, conversation_bytes_max},
                  Presence::required))
    conversation_id = doc_id_of(conversation, "/data/conversation_id", fault);
  std::vector<ChatMessage> messages;
  if (const auto* list = fields.array("messages", Presence::required)) {
    if (list->empty() || list->size() > messages_max)
      fields.fail("messages", "must hold 1 to 1000 messages");
    for (std::size_t i = 0; i < list->size() && !fault.first; ++i)
      messages.push_back(read_message((*list)[i], i, head.adapted, fault));
  }
  std::vector<std::string> tags;
  fields.tags("tags", tags);
  std::string attributes_json;
  fields.attributes("attributes", attributes_json);
  fields.close();
  if (fault.first) return *fault.first;
  return Event(ChatEvent{std::move(head), *conversation_id, std::move(messages), std::move(tags),
                         std::move(attributes_json)});
}

}  // namespace memseal::wire

#include "pure/wire/internal/chat_data.hpp"

#include "pure/wire/internal/turn_shape.hpp"

namespace memseal::wire {

namespace {

constexpr std::size_t conversation_bytes_max = 255;

}  // namespace

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
  auto messages = read_turns(fields, "messages", TurnIds::lenient, head.adapted);
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

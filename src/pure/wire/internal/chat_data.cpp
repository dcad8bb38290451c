#include "pure/wire/internal/chat_data.hpp"

#include "pure/codec/rfc3339.hpp"
#include "pure/wire/event_names.hpp"
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

namespace {

/// The order of a deletion with what it deletes is that of one partition.
void check_topic(bool is_conversation, std::string_view topic, Fault& fault) {
  if (is_conversation && topic == upload_event_name)
    fault.add("/data/conversation_id", "is deleted on the topic of its turns");
  if (!is_conversation && topic == chat_event_name)
    fault.add("/data/doc_id", "is deleted on the topic of documents");
}

}  // namespace

Result<Event> read_deletion(EventHead head, const json::object& data, Origin origin,
                            std::string_view topic) {
  Fault fault{Errc::bad_event};
  FieldReader fields(data, "/data", fault);
  std::string document, conversation, before;
  constexpr TextSize name_size{1, conversation_bytes_max};
  const bool has_document = fields.text("doc_id", document, name_size, Presence::optional);
  const bool is_conversation =
      fields.text("conversation_id", conversation, name_size, Presence::optional);
  std::optional<std::int64_t> before_ms;
  if (fields.text("before", before, {1, 64}, Presence::optional)) {
    before_ms = codec::parse_rfc3339(before);
    if (!before_ms) fields.fail("before", "is not an RFC 3339 time");
    if (!is_conversation) fields.fail("before", "belongs to a conversation_id");
  }
  fields.close();
  if (has_document == is_conversation)
    fault.add("/data", "must name what to delete: a doc_id or a conversation_id");
  check_topic(is_conversation, topic, fault);
  const auto id = is_conversation
                      ? doc_id_of(conversation, "/data/conversation_id", fault)
                      : doc_id_of(document, "/data/doc_id", fault);
  if (fault.first) return *fault.first;
  return Event(DeleteEvent{std::move(head), *id, is_conversation, before_ms,
                           is_conversation ? Origin::chat : origin});
}

}  // namespace memseal::wire

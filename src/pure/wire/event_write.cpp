#include "base/assert.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/wire/event.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace memseal::wire {

namespace json = boost::json;

namespace {

json::object envelope_of(const EventHead& head, std::string_view type) {
  json::object event{{"specversion", "1.0"},
                     {"id", head.id},
                     {"source", head.source},
                     {"type", type},
                     {"subject", head.user.value()},
                     {"partitionkey", head.user.value()},
                     {"datacontenttype", "application/json"}};
  if (head.time_ms != 0) event["time"] = codec::format_rfc3339(head.time_ms);
  return event;
}

json::object content_of(const UploadEvent& event) {
  if (event.file) return {{"ref", file_reference(*event.file)}};
  return {{"encoding", "utf8"}, {"data", event.text}};
}

void add_labels(json::object& data, const std::vector<std::string>& tags,
                const std::string& attributes_json) {
  if (!tags.empty()) data["tags"] = json::array(tags.begin(), tags.end());
  if (attributes_json.empty()) return;
  auto attributes = codec::parse_json(attributes_json, Errc::internal);
  MEMSEAL_ASSERT(attributes && attributes->is_object());
  data["attributes"] = std::move(*attributes);
}

}  // namespace

std::string make_upload_event(const UploadEvent& event) {
  json::object file{{"mime_type", event.mime_type}};
  if (!event.name.empty()) file["name"] = event.name;
  if (!event.content_sha256_hex.empty()) file["sha256"] = event.content_sha256_hex;
  json::object data{{"file", std::move(file)},
                    {"content", content_of(event)},
                    {"doc_id", event.doc_id.value()}};
  if (event.revision) data["revision"] = *event.revision;
  add_labels(data, event.tags, event.attributes_json);
  auto whole = envelope_of(event.head, upload_event_type);
  if (event.origin != Origin::upload) whole["sourcekind"] = origin_name(event.origin);
  whole["data"] = std::move(data);
  return codec::compact_json(whole);
}

std::string make_chat_event(const ChatEvent& event) {
  json::array messages;
  messages.reserve(event.messages.size());
  for (const auto& message : event.messages) {
    json::object one{{"role", message.role}, {"content", message.content}};
    if (message.created_at_ms != 0)
      one["created_at"] = codec::format_rfc3339(message.created_at_ms);
    if (!message.id.empty()) one["id"] = message.id;
    messages.push_back(std::move(one));
  }
  json::object data{{"conversation_id", event.conversation_id.value()},
                    {"messages", std::move(messages)}};
  add_labels(data, event.tags, event.attributes_json);
  auto whole = envelope_of(event.head, chat_event_type);
  whole["data"] = std::move(data);
  return codec::compact_json(whole);
}

std::string make_delete_event(const DeleteEvent& event) {
  json::object data{
      {event.is_conversation ? "conversation_id" : "doc_id", event.doc_id.value()}};
  if (event.before_ms) data["before"] = codec::format_rfc3339(*event.before_ms);
  auto whole = envelope_of(event.head, delete_event_type);
  if (event.origin == Origin::api) whole["sourcekind"] = origin_name(event.origin);
  whole["data"] = std::move(data);
  return codec::compact_json(whole);
}

}  // namespace memseal::wire

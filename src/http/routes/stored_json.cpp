#include "http/routes/stored_json.hpp"

#include "http/routes/answer_json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/wire/turn.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace memseal::http {

json::object listed_document(const query::Shown& shown) {
  const auto& memory = shown.memory;
  json::object document{{"doc_id", memory.id},
                        {"name", text_or_null(shown.name)},
                        {"kind", origin_name(memory.origin)},
                        {"state", "ready"},
                        {"chunks", memory.chunks},
                        {"tags", json::array(memory.tags.begin(), memory.tags.end())},
                        {"created_at", codec::format_rfc3339(memory.created_at_ms)},
                        {"updated_at", codec::format_rfc3339(memory.updated_at_ms)},
                        {"expires_at", nullptr}};
  if (memory.expires_at_ms)
    document["expires_at"] = codec::format_rfc3339(*memory.expires_at_ms);
  return document;
}

json::object listed_conversation(const query::Shown& shown) {
  const auto& memory = shown.memory;
  return {{"conversation", memory.id},
          {"chunks", memory.chunks},
          {"first_turn_at", codec::format_rfc3339(memory.first_at_ms)},
          {"last_turn_at", codec::format_rfc3339(memory.last_at_ms)}};
}

json::object listed_turn(const crypto::Passage& passage) {
  const auto& from = passage.from();
  json::object turn{{"chunk_id", from.id.to_string()},
                    {"id", nullptr},
                    {"role", nullptr},
                    {"created_at", codec::format_rfc3339(from.created_at_ms)},
                    {"char_start", from.char_start},
                    {"char_end", from.char_end},
                    {"tags", json::array(from.tags.begin(), from.tags.end())},
                    {"text", passage.text()},
                    {"meta", meta_json(passage.meta_json())}};
  // A chat that an earlier version stored has one text and no labels.
  if (const auto label = wire::turn_of_meta(passage.meta_json())) {
    turn["id"] = label->id;
    turn["role"] = label->role;
  }
  return turn;
}

json::object listed_chunk(const crypto::Passage& passage) {
  const auto& from = passage.from();
  return {{"chunk_id", from.id.to_string()},
          {"chunk_index", from.chunk_index},
          {"char_start", from.char_start},
          {"char_end", from.char_end},
          {"place", place_json(passage)},
          {"text", passage.text()}};
}

void add_meta(json::object& document, const std::string& meta) {
  document["mime_type"] = nullptr;
  document["attributes"] = nullptr;
  const auto value = meta_json(meta);
  const auto* members = value.if_object();
  if (members == nullptr) return;
  for (const auto* name : {"mime_type", "attributes"})
    if (const auto* member = members->if_contains(name)) document[name] = *member;
}

void add_person_state(json::object& shown, const ports::PersonState& state) {
  shown["state"] = state.erased_at_ms ? "erased" : state.known ? "active" : "unknown";
  shown["erased_at"] = nullptr;
  if (state.erased_at_ms) shown["erased_at"] = codec::format_rfc3339(*state.erased_at_ms);
  const auto& counts = state.counts;
  shown["documents"] = counts.documents;
  shown["conversations"] = counts.conversations;
  shown["chunks"] = counts.chunks;
  shown["text_bytes"] = counts.text_bytes;
  shown["files"] = counts.files;
  shown["file_bytes"] = counts.file_bytes;
}

}  // namespace memseal::http

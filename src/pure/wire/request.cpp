#include "pure/wire/request.hpp"

#include "pure/codec/utf8.hpp"
#include "pure/wire/event.hpp"
#include "pure/wire/internal/body.hpp"
#include "pure/wire/internal/fields.hpp"

#include <optional>
#include <string>

namespace memseal::wire {

namespace {

void read_user_id(FieldReader& fields, std::optional<std::string>& out) {
  std::string user;
  if (fields.text("user_id", user, {1, 256}, Presence::optional)) out = std::move(user);
}

void read_doc_ids(FieldReader& fields, std::vector<std::string>& out) {
  const auto* list = fields.array("doc_ids", Presence::optional);
  if (list == nullptr) return;
  if (list->size() > doc_ids_max)
    return fields.fail("doc_ids", "holds at most " + std::to_string(doc_ids_max) + " ids");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* string = (*list)[i].if_string();
    if (string == nullptr || !DocId::parse(*string))
      return fields.fault().add(pointer_at(fields.at("doc_ids"), i),
                                "must be a string of 1 to 255 bytes without control characters");
    out.emplace_back(*string);
  }
}

void read_origin(FieldReader& fields, std::optional<Origin>& origin) {
  std::string name;
  if (!fields.text("source", name, {0, 16}, Presence::optional) || name.empty()) return;
  origin = parse_origin(name);
  if (!origin)
    fields.fail("source", "must be \"chat\", \"upload\" or \"api\"");
}

void read_counts(FieldReader& fields, QueryRequest& request) {
  std::int64_t top_k = static_cast<std::int64_t>(request.top_k);
  fields.integer("top_k", top_k, 1, limits::answers_max, Presence::optional);
  std::int64_t candidates = static_cast<std::int64_t>(request.candidates);
  fields.integer("candidates", candidates, top_k, limits::candidates_max, Presence::optional);
  request.top_k = static_cast<std::size_t>(top_k);
  request.candidates = static_cast<std::size_t>(candidates);
}

}  // namespace

Result<QueryRequest> parse_query_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  QueryRequest request;
  if (fields.text("query", request.query, {1, limits::query_bytes_max}, Presence::required) &&
      is_blank(request.query))
    fields.fail("query", "must not be blank");
  read_counts(fields, request);
  fields.truth("rerank", request.rerank);
  read_origin(fields, request.origin);
  fields.tags("tags", request.tags);
  read_doc_ids(fields, request.doc_ids);
  read_user_id(fields, request.user_id);
  fields.truth("include_trace", request.include_trace);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

Result<IndexRequest> parse_index_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  IndexRequest request;
  // Whether the text fits one event, its publisher knows.
  fields.text("text", request.text, {1, limits::http_body_bytes_wall}, Presence::required);
  if (is_blank(request.text)) fields.fail("text", "must not be blank");
  if (request.text.find('\0') != std::string::npos) fields.fail("text", "holds a zero byte");
  fields.text("doc_id", request.doc_id, {0, 255}, Presence::optional);
  if (codec::has_control(request.doc_id)) fields.fail("doc_id", "must hold no control characters");
  fields.text("name", request.name, {0, 255}, Presence::optional);
  if (codec::has_control(request.name)) fields.fail("name", "must hold no control characters");
  fields.text("mime_type", request.mime_type, {1, 255}, Presence::optional);
  if (request.mime_type != "text/plain" && request.mime_type != "text/markdown")
    fields.fail("mime_type", "must be \"text/plain\" or \"text/markdown\"");
  fields.tags("tags", request.tags);
  fields.attributes("attributes", request.attributes_json);
  read_user_id(fields, request.user_id);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

}  // namespace memseal::wire

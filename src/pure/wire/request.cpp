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

}  // namespace

Result<IndexRequest> parse_index_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  IndexRequest request;
  // Whether the text fits one event, its publisher knows.
  fields.text("text", request.text, {1, limits::http_body_bytes_wall}, Presence::required);
  if (codec::is_blank(request.text)) fields.fail("text", "must not be blank");
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

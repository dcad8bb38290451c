#include "pure/wire/event.hpp"

#include "base/limits.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/chat_data.hpp"
#include "pure/wire/internal/event_head.hpp"
#include "pure/wire/internal/event_text.hpp"
#include "pure/wire/internal/fields.hpp"

#include <algorithm>
#include <limits>

namespace memseal::wire {

namespace {

constexpr std::size_t name_bytes_max = 255;

bool is_text_type(std::string_view type) { return type == "text/plain" || type == "text/markdown"; }

bool is_json_type(std::string_view type) {
  return type == "application/json" || type.ends_with("+json");
}

void check_text(std::string_view text, std::string_view pointer, Fault& fault) {
  if (!codec::is_utf8(text)) fault.add(pointer, "is not well-formed UTF-8");
}

/// Makes the text of `event` fit to store.
void adapt_text(UploadEvent& event) {
  auto& adapted = event.head.adapted;
  const bool is_hashed = !event.content_sha256_hex.empty();
  // The hash is of the text before it is adapted, so that text is kept until the hash is checked.
  if (is_hashed) event.text_as_sent = event.text;
  event.text = storable_text(std::move(event.text), adapted);
  if (event.text == event.text_as_sent) event.text_as_sent.clear();
}

/// Origin::upload or Origin::api, by the extension that our HTTP API sets.
Result<Origin> origin_of_upload(const Attributes& attributes) {
  if (!attributes.sourcekind) return Origin::upload;
  const auto origin = parse_origin(*attributes.sourcekind);
  if (!origin || *origin == Origin::chat)
    return bad_event("/sourcekind", "must be \"upload\" or \"api\"");
  return *origin;
}

struct FileFields {
  std::string name, mime_type, sha256;
  std::int64_t size = -1;  // not given
};

void read_sha256(FieldReader& file, std::string& hex) {
  if (!file.text("sha256", hex, {64, 64}, Presence::optional)) return;
  for (char& c : hex) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
      return file.fail("sha256", "must be 64 hex digits");
  }
}

FileFields read_file(const json::object& object, Fault& fault) {
  FieldReader file(object, "/data/file", fault);
  FileFields fields;
  if (file.text("name", fields.name, {0, name_bytes_max}, Presence::optional) &&
      codec::has_control(fields.name))
    file.fail("name", "must hold no control characters");
  std::string type;
  if (file.text("mime_type", type, {1, 255}, Presence::required)) {
    fields.mime_type = media_type_of(type).value_or("");
    if (!is_text_type(fields.mime_type))
      file.fail("mime_type", "must be text/plain or text/markdown in UTF-8");
  }
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  file.integer("size", fields.size, 0, any, Presence::optional);
  read_sha256(file, fields.sha256);
  file.close();
  return fields;
}

constexpr std::string_view file_scheme = "memseal-file:";

/// The file that content.ref names, if there is one.
std::optional<Uuid> read_reference(FieldReader& content, Fault& fault) {
  std::string reference;
  constexpr std::size_t bytes_max = 255;
  if (!content.text("ref", reference, {1, bytes_max}, Presence::optional)) return {};
  const auto file = parse_file_reference(reference);
  if (file) return *file;
  fault.add("/data/content/ref", file.error().message);
  return {};
}

std::string read_content(const json::object& object, std::optional<Uuid>& file, Fault& fault) {
  FieldReader content(object, "/data/content", fault);
  file = read_reference(content, fault);
  if (file) {
    content.close();  // A reference stands alone.
    return "";
  }
  std::string encoding, data;
  content.text("encoding", encoding, {1, 16}, Presence::required);
  content.text("data", data, {0, limits::event_bytes_max}, Presence::required);
  content.close();
  if (encoding == "base64") {
    auto decoded = codec::decode_base64_text(data);
    if (!decoded) fault.add("/data/content/data", "is not padded standard base64");
    data = std::move(decoded).value_or("");
  } else if (encoding != "utf8") {
    fault.add("/data/content/encoding", "must be \"utf8\" or \"base64\"");
  }
  check_text(data, "/data/content/data", fault);
  return data;
}

Result<Event> read_upload(EventHead head, const json::object& data, Origin origin) {
  Fault fault{Errc::bad_event};
  FieldReader fields(data, "/data", fault);
  FileFields file;
  if (const auto* object = fields.object("file", Presence::required))
    file = read_file(*object, fault);
  std::string text;
  std::optional<Uuid> stored;
  if (const auto* object = fields.object("content", Presence::required))
    text = read_content(*object, stored, fault);
  // Two sizes could disagree, and then neither reader would know which is true.
  if (stored && file.size >= 0)
    fault.add("/data/file/size", "is not given for a stored file, which has its own");
  else if (file.size >= 0 && static_cast<std::uint64_t>(file.size) != text.size())
    fault.add("/data/file/size", "is not the size of the content");

  std::string doc_name = file.name;
  std::string_view doc_pointer = "/data/file/name";
  if (fields.text("doc_id", doc_name, {1, name_bytes_max}, Presence::optional))
    doc_pointer = "/data/doc_id";
  if (doc_name.empty()) {
    // Two uploads without a name are two documents, because ids of events differ.
    doc_name = head.id;
    doc_pointer = "/id";
  }
  const auto doc_id = doc_id_of(doc_name, doc_pointer, fault);
  std::optional<std::int64_t> revision;
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  if (std::int64_t given = 0; fields.integer("revision", given, 0, any, Presence::optional))
    revision = given;
  std::vector<std::string> tags;
  fields.tags("tags", tags);
  std::string attributes_json;
  fields.attributes("attributes", attributes_json);
  fields.close();
  if (fault.first) return *fault.first;
  UploadEvent event{std::move(head), *doc_id, std::move(file.name), std::move(file.mime_type),
                    std::move(text), revision, std::move(file.sha256), std::move(tags),
                    std::move(attributes_json), origin};
  event.file = stored;
  adapt_text(event);
  return Event(std::move(event));
}

/// An upload whose data is the document itself.
Result<Event> read_bare_text(EventHead head, const Attributes& attributes, std::string text,
                             std::string mime_type, Origin origin) {
  Fault fault{Errc::bad_event};
  check_text(text, "/data", fault);
  const std::string name = attributes.filename.value_or("");
  if (name.size() > name_bytes_max || codec::has_control(name))
    fault.add("/filename", "must have at most 255 bytes and no control characters");
  const auto doc_id = attributes.docid ? doc_id_of(*attributes.docid, "/docid", fault)
                      : !name.empty()  ? doc_id_of(name, "/filename", fault)
                                       : doc_id_of(head.id, "/id", fault);
  if (fault.first) return *fault.first;
  UploadEvent event{std::move(head), *doc_id, name, std::move(mime_type), std::move(text), {},
                    {}, {}, {}, origin};
  adapt_text(event);
  return Event(std::move(event));
}

/// The bare text of an upload: the bytes, or in structured mode a JSON string.
Result<std::string> text_of(Envelope& envelope) {
  if (envelope.has_bytes) return std::move(envelope.bytes);
  const auto* string = envelope.data ? envelope.data->if_string() : nullptr;
  if (string == nullptr) return bad_event("/data", "must be a string, as datacontenttype is text");
  return std::string(*string);
}

Result<json::object> object_of(Envelope& envelope) {
  if (envelope.has_bytes) {
    auto parsed = parse_event_json(envelope.bytes, JsonIs::data, envelope.adapted);
    if (!parsed) return bad_event("/data", parsed.error().message);
    envelope.data = std::move(*parsed);
  }
  if (!envelope.data) return bad_event("/data", "is missing");
  auto* object = envelope.data->if_object();
  if (object == nullptr) return bad_event("/data", "must be an object");
  return std::move(*object);
}

Result<Event> read_event(const RawEvent& raw) {
  auto envelope = open_envelope(raw);
  if (!envelope) return envelope.error();
  const auto& attributes = envelope->attributes;
  const auto kind = kind_of_type(attributes, raw.topic);
  if (!kind) return kind.error();
  auto head = head_of(raw, attributes);
  if (!head) return head.error();
  const auto upload_origin = origin_of_upload(attributes);
  if (!upload_origin) return upload_origin.error();

  auto type = media_type_of(attributes.datacontenttype.value_or("application/json"));
  if (type && is_text_type(*type) && *kind == EventKind::upload) {
    auto text = text_of(*envelope);
    if (!text) return text.error();
    head->adapted = envelope->adapted;
    return read_bare_text(std::move(*head), attributes, std::move(*text), std::move(*type),
                          *upload_origin);
  }
  if (!type || !is_json_type(*type))
    return bad_event("/datacontenttype", "must be application/json, or text for an upload");
  auto data = object_of(*envelope);
  if (!data) return data.error();
  head->adapted = envelope->adapted;
  if (*kind == EventKind::chat) return read_chat(std::move(*head), *data);
  if (*kind == EventKind::deletion)
    return read_deletion(std::move(*head), *data, *upload_origin, raw.topic);
  return read_upload(std::move(*head), *data, *upload_origin);
}

}  // namespace

std::string file_reference(const Uuid& file) { return std::string(file_scheme) + file.to_string(); }

Result<Uuid> parse_file_reference(std::string_view reference) {
  if (reference.starts_with(file_scheme))
    if (auto file = Uuid::parse(reference.substr(file_scheme.size()))) return file;
  return bad_event("/data/content/ref", "must be memseal-file:<id of a stored file>");
}

UploadEvent with_text(UploadEvent event, std::string text) {
  event.text = std::move(text);
  adapt_text(event);
  return event;
}

Result<Event> parse_event(const RawEvent& raw) {
  auto event = read_event(raw);
  // A producer that uses HTTP's prefix often misses an attribute by it; the hint is worth more than
  // the bare error.
  if (event || !has_http_attribute_headers(raw)) return event;
  auto error = event.error();
  error.message += " (the attributes are in headers ce-*; the prefix for Kafka is ce_)";
  return error;
}

}  // namespace memseal::wire

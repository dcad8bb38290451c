#include "pure/wire/internal/envelope.hpp"

#include "base/limits.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/event_text.hpp"

#include <algorithm>

namespace memseal::wire {

namespace {

Error bad(std::string pointer, std::string message) {
  return Error{Errc::bad_event, std::move(message), std::move(pointer)};
}

bool is_attribute_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

constexpr std::string_view kafka_prefix = "ce_", http_prefix = "ce-";

bool has_header_prefix(const RawEvent& raw, std::string_view prefix) noexcept {
  if (raw.headers == nullptr) return false;
  return std::any_of(raw.headers->begin(), raw.headers->end(), [&](const auto& header) {
    return std::string_view(header.first).starts_with(prefix);
  });
}

constexpr std::string_view no_batches =
    "a batch is not read: publish each event as a record of its own "
    "(application/cloudevents+json), because one record has one offset and one dead letter";

/// Attributes from the headers that begin with `prefix`. One that is in `attributes` already must
/// say the same.
std::optional<Error> read_headers(Attributes& attributes, const RawEvent& raw,
                                  std::string_view prefix) {
  Attributes found;
  for (const auto& [name, value] : *raw.headers) {
    if (!std::string_view(name).starts_with(prefix)) continue;
    const auto attribute = std::string_view(name).substr(prefix.size());
    auto* slot = found.find(attribute);
    if (slot == nullptr) continue;
    const auto pointer = '/' + std::string(attribute);
    auto* known = attributes.find(attribute);
    if (*slot || (*known && **known != value)) return bad(pointer, "is there twice");
    if (!codec::is_utf8(value)) return bad(pointer, "is not well-formed UTF-8");
    *slot = value;
    *known = value;
  }
  return std::nullopt;
}

Result<Envelope> open_binary(const RawEvent& raw, std::optional<std::string_view> content_type) {
  Envelope envelope;
  for (const auto prefix : {kafka_prefix, http_prefix})
    if (auto wrong = read_headers(envelope.attributes, raw, prefix)) return *wrong;
  // The binding maps datacontenttype to the header content-type, but SDKs write both, or this one.
  auto& type = envelope.attributes.datacontenttype;
  if (type && content_type && media_type_of(*type) != media_type_of(*content_type))
    return bad("/datacontenttype", "contradicts the header content-type");
  if (content_type) type = std::string(*content_type);
  envelope.bytes = std::string(raw.value);
  envelope.has_bytes = true;
  return envelope;
}

std::optional<Error> read_data(Envelope& envelope, json::object& event) {
  auto* data = event.if_contains("data");
  auto* encoded = event.if_contains("data_base64");
  if (data != nullptr && encoded != nullptr)
    return bad("/data_base64", "must not be there together with data");
  if (data != nullptr) envelope.data = std::move(*data);
  if (encoded == nullptr) return std::nullopt;
  const auto* text = encoded->if_string();
  auto bytes = text == nullptr ? std::nullopt : codec::decode_base64_text(*text);
  if (!bytes) return bad("/data_base64", "is not padded standard base64");
  envelope.bytes = std::move(*bytes);
  envelope.has_bytes = true;
  return std::nullopt;
}

std::optional<Error> read_attribute(Envelope& envelope, std::string_view name,
                                    const json::value& value) {
  if (!is_attribute_name(name)) return bad("", "holds an attribute whose name is not a-z and 0-9");
  if (value.is_null()) return std::nullopt;  // CloudEvents JSON format §2.2: the same as unset.
  const auto pointer = '/' + std::string(name.substr(0, 40));
  if (auto* slot = envelope.attributes.find(name)) {
    if (!value.is_string()) return bad(pointer, "must be a string");
    slot->emplace(value.get_string());
  } else if (value.is_structured() || value.is_double()) {
    return bad(pointer, "must be a string, a whole number or a truth value");
  }
  return std::nullopt;
}

Result<Envelope> open_structured(const RawEvent& raw) {
  Envelope envelope;
  auto parsed = parse_event_json(raw.value, JsonIs::event, envelope.adapted);
  if (!parsed) return parsed.error();
  if (parsed->is_array()) return bad("", "is a JSON array: " + std::string(no_batches));
  auto* event = parsed->if_object();
  if (event == nullptr) return bad("", "is not a JSON object");
  if (event->if_contains("specversion") == nullptr) return bad("/specversion", "is missing");
  if (auto wrong = read_data(envelope, *event)) return *wrong;
  for (const auto& member : *event) {
    if (member.key() == "data" || member.key() == "data_base64") continue;
    if (auto wrong = read_attribute(envelope, member.key(), member.value())) return *wrong;
  }
  return envelope;
}

}  // namespace

std::optional<std::string>* Attributes::find(std::string_view name) noexcept {
  const std::pair<std::string_view, std::optional<std::string>*> all[] = {
      {"specversion", &specversion},
      {"id", &id},
      {"source", &source},
      {"type", &type},
      {"subject", &subject},
      {"time", &time},
      {"datacontenttype", &datacontenttype},
      {"partitionkey", &partitionkey},
      {"docid", &docid},
      {"filename", &filename},
      {"sourcekind", &sourcekind},
  };
  for (const auto& [known, slot] : all)
    if (known == name) return slot;
  return nullptr;
}

bool has_attribute_headers(const RawEvent& raw) noexcept {
  return has_header_prefix(raw, kafka_prefix) || has_header_prefix(raw, http_prefix);
}

bool has_http_attribute_headers(const RawEvent& raw) noexcept {
  return has_header_prefix(raw, http_prefix);
}

bool is_tombstone(const RawEvent& raw) noexcept {
  return raw.value.empty() && !has_attribute_headers(raw);
}

Result<std::optional<std::string_view>> header_of(const RawEvent& raw, std::string_view name) {
  std::optional<std::string_view> found;
  if (raw.headers == nullptr) return found;
  for (const auto& [key, value] : *raw.headers) {
    if (codec::ascii_lower(key) != name) continue;
    // Kafka allows a header twice, and readers differ in which one they take. What was signed or
    // checked must be what is read.
    if (found) return bad('/' + std::string(name), "is there twice");
    found = value;
  }
  return found;
}

std::optional<std::string> media_type_of(std::string_view content_type) {
  const auto semicolon = content_type.find(';');
  auto type = codec::ascii_lower(codec::trimmed(content_type.substr(0, semicolon)));
  const auto slash = type.find('/');
  if (slash == 0 || slash == std::string::npos || slash + 1 == type.size()) return std::nullopt;
  while (content_type.find(';') != std::string_view::npos) {
    content_type.remove_prefix(content_type.find(';') + 1);
    const auto end = content_type.find(';');
    auto parameter = codec::ascii_lower(codec::trimmed(content_type.substr(0, end)));
    std::erase(parameter, '"');
    // A text of another charset would be stored as garbage, or not at all. us-ascii is a part of
    // UTF-8.
    if (parameter.starts_with("charset=") && parameter != "charset=utf-8" &&
        parameter != "charset=us-ascii")
      return std::nullopt;
  }
  return type;
}

std::size_t event_bytes(const RawEvent& raw) noexcept {
  constexpr auto signatures_max = 2 * signature_header_bytes_max;
  std::size_t bytes = raw.key.size() + raw.value.size(), of_replay = 0, of_signatures = 0;
  if (raw.headers != nullptr)
    for (const auto& [name, value] : *raw.headers) {
      const bool is_signature = name == signature_header || name == replay_signature_header;
      auto& sum = is_signature                           ? of_signatures
                  : name.starts_with(replay_header_prefix) ? of_replay
                                                           : bytes;
      sum += name.size() + value.size();
    }
  // What is added to a finished event must not make it too large if it was not.
  return bytes + of_replay - std::min(of_replay, replay_header_bytes_max) + of_signatures -
         std::min(of_signatures, signatures_max);
}

Result<Envelope> open_envelope(const RawEvent& raw) {
  if (event_bytes(raw) > limits::event_bytes_max)
    return Error{Errc::event_too_large, "an event has at most 1048576 bytes"};
  const auto content_type = header_of(raw, "content-type");
  if (!content_type) return content_type.error();
  if (const auto given = *content_type) {
    const auto type = media_type_of(*given);
    if (!type) return bad("/datacontenttype", "is not a media type in UTF-8");
    if (*type == "application/cloudevents+json") return open_structured(raw);
    if (type->starts_with("application/cloudevents-batch"))
      return bad("/datacontenttype", std::string(no_batches));
    if (type->starts_with("application/cloudevents"))
      return bad("/datacontenttype",
                 "of the CloudEvents formats only application/cloudevents+json "
                 "(one event) is read");
  }
  if (has_attribute_headers(raw)) return open_binary(raw, *content_type);
  return open_structured(raw);
}

}  // namespace memseal::wire

#pragma once
// CloudEvents 1.0 over Kafka up to the data: the mode, the attributes, the data's bytes.
#include "pure/codec/json.hpp"

#include "pure/wire/event.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace memseal::wire {

namespace json = boost::json;

/// The attributes that memseal reads; others are extensions and pass unseen.
struct Attributes {
  std::optional<std::string> specversion, id, source, type, subject, time, datacontenttype,
      partitionkey, docid, filename, sourcekind;

  /// The member called `name`, or null when memseal does not read that attribute.
  std::optional<std::string>* find(std::string_view name) noexcept;
};

struct Envelope {
  Attributes attributes;
  /// Structured mode: the member `data`. Binary mode: nothing.
  std::optional<json::value> data = {};
  /// The bytes of the data where they are not in `data`: the record's value in binary mode, the
  /// decoded `data_base64` in structured mode.
  std::string bytes = {};
  bool has_bytes = false;
  Adapted adapted = {};
};

/// Takes a record apart. Errors: bad_event, event_too_large.
Result<Envelope> open_envelope(const RawEvent& raw);

/// True when a header `ce_*` or `ce-*` is there.
bool has_attribute_headers(const RawEvent& raw) noexcept;
/// True when a header `ce-*` is there, which is the prefix of HTTP.
bool has_http_attribute_headers(const RawEvent& raw) noexcept;

/// The value of header `name`, nothing when it is absent. A repeated header is an error.
Result<std::optional<std::string_view>> header_of(const RawEvent& raw, std::string_view name);

/// "text/markdown" of `Text/Markdown; charset=utf-8`: lower case, without parameters. Nothing when
/// it names another charset or is no media type.
std::optional<std::string> media_type_of(std::string_view content_type);

}  // namespace memseal::wire

#include "pure/trace/otlp.hpp"

#include <algorithm>

namespace memseal::trace {

namespace {

// Field numbers of the messages, by the message that has them.
namespace request_field { constexpr int resource_spans = 1; }
namespace resource_spans_field { constexpr int resource = 1, scope_spans = 2; }
namespace resource_field { constexpr int attributes = 1; }
namespace scope_spans_field { constexpr int scope = 1, spans = 2; }
namespace scope_field { constexpr int name = 1, version = 2; }
namespace span_field {
constexpr int trace_id = 1, span_id = 2, parent_span_id = 4, name = 5, kind = 6,
              start_time = 7, end_time = 8, attributes = 9, links = 13, dropped_links = 14,
              status = 15, flags = 16;
}
namespace link_field { constexpr int trace_id = 1, span_id = 2, flags = 6; }
namespace status_field { constexpr int code = 3; }
namespace key_value_field { constexpr int key = 1, value = 2; }
namespace any_value_field { constexpr int text = 1, boolean = 2, integer = 3; }
namespace response_field { constexpr int partial_success = 1; }
namespace partial_success_field { constexpr int rejected_spans = 1; }

constexpr std::uint64_t status_error = 2;
// SpanFlags: the flags of W3C, and whether the parent or link is of another process.
constexpr std::uint32_t flag_sampled = 1, flag_has_is_remote = 0x100, flag_is_remote = 0x200;

enum class Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// Writes one message. Protobuf leaves out a field of its default value.
class Writer {
 public:
  void number(int field, std::uint64_t value) {
    if (value == 0) return;
    tag(field, Wire::varint);
    varint(value);
  }
  void fixed64(int field, std::uint64_t value) {
    tag(field, Wire::fixed64);
    little_endian(value, 8);
  }
  void fixed32(int field, std::uint32_t value) {
    tag(field, Wire::fixed32);
    little_endian(value, 4);
  }
  void text(int field, std::string_view value) {
    if (!value.empty()) message(field, value);
  }
  void bytes(int field, std::span<const std::uint8_t> value) {
    message(field, {reinterpret_cast<const char*>(value.data()), value.size()});
  }
  /// A message within, which may be empty and is there all the same.
  void message(int field, std::string_view value) {
    tag(field, Wire::bytes);
    varint(value.size());
    out_ += value;
  }
  /// A value of a oneof, which is there although it is the default.
  void chosen(int field, std::uint64_t value) {
    tag(field, Wire::varint);
    varint(value);
  }
  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  const std::string& out() const noexcept { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void tag(int field, Wire wire) {
    varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire));
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7f) | 0x80);
    out_ += static_cast<char>(value);
  }
  void little_endian(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) out_ += static_cast<char>(value >> 8 * i & 0xff);
  }

  std::string out_;
};

std::string key_value(std::string_view key, const Value& value) {
  Writer any;
  if (const auto* text = std::get_if<std::string>(&value))
    any.message(any_value_field::text, *text);
  else if (const auto* integer = std::get_if<std::int64_t>(&value))
    any.chosen(any_value_field::integer, static_cast<std::uint64_t>(*integer));
  else
    any.chosen(any_value_field::boolean, std::get<bool>(value) ? 1 : 0);
  Writer pair;
  pair.text(key_value_field::key, key);
  pair.message(key_value_field::value, any.out());
  return pair.take();
}

std::uint32_t flags_of(bool sampled, bool is_remote) {
  return (sampled ? flag_sampled : 0) | flag_has_is_remote | (is_remote ? flag_is_remote : 0);
}

std::string link_of(const SpanContext& to) {
  Writer link;
  link.bytes(link_field::trace_id, to.trace_id);
  link.bytes(link_field::span_id, to.span_id);
  link.fixed32(link_field::flags, flags_of(to.sampled, false));
  return link.take();
}

std::string span_of(const SpanData& span) {
  Writer out;
  out.reserve(256 + 64 * span.attributes.size());
  out.bytes(span_field::trace_id, span.context.trace_id);
  out.bytes(span_field::span_id, span.context.span_id);
  if (span.parent != SpanId{}) out.bytes(span_field::parent_span_id, span.parent);
  out.text(span_field::name, span.name);
  out.number(span_field::kind, static_cast<std::uint64_t>(span.kind));
  out.fixed64(span_field::start_time, static_cast<std::uint64_t>(span.start_ns));
  out.fixed64(span_field::end_time, static_cast<std::uint64_t>(span.end_ns));
  for (const auto& [key, value] : span.attributes)
    out.message(span_field::attributes, key_value(key, value));
  for (const auto& link : span.links) out.message(span_field::links, link_of(link));
  out.number(span_field::dropped_links, span.links_dropped);
  if (span.failed) {
    Writer status;
    status.number(status_field::code, status_error);
    out.message(span_field::status, status.out());
  }
  out.fixed32(span_field::flags, flags_of(span.context.sampled, span.parent_is_remote));
  return out.take();
}

/// Reads the fields of one message. Every step may find the end too early.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const noexcept { return rest_.empty(); }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  std::optional<std::string_view> take(std::uint64_t size) {
    if (size > rest_.size()) return std::nullopt;
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view rest_;
};

/// One field: its number, and its value where that is a varint or bytes.
struct FieldRead {
  std::uint64_t number = 0;
  std::optional<std::uint64_t> varint = {};
  std::optional<std::string_view> bytes = {};
};

std::optional<FieldRead> read_field(Reader& reader) {
  const auto tag = reader.varint();
  if (!tag || *tag >> 3 == 0) return std::nullopt;
  FieldRead field{*tag >> 3};
  switch (*tag & 7) {
    case static_cast<int>(Wire::varint):
      field.varint = reader.varint();
      if (!field.varint) return std::nullopt;
      return field;
    case static_cast<int>(Wire::bytes): {
      const auto size = reader.varint();
      field.bytes = size ? reader.take(*size) : std::nullopt;
      if (!field.bytes) return std::nullopt;
      return field;
    }
    case static_cast<int>(Wire::fixed64):
      return reader.take(8) ? std::optional(field) : std::nullopt;
    case static_cast<int>(Wire::fixed32):
      return reader.take(4) ? std::optional(field) : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<std::int64_t> rejected_of(std::string_view partial_success) {
  Reader reader(partial_success);
  std::int64_t rejected = 0;
  while (!reader.at_end()) {
    const auto field = read_field(reader);
    if (!field) return std::nullopt;
    if (field->number == partial_success_field::rejected_spans && field->varint)
      rejected = static_cast<std::int64_t>(*field->varint);
  }
  return std::max<std::int64_t>(0, rejected);
}

}  // namespace

std::string encode_export(const Resource& resource, std::string_view scope_version,
                          std::span<const SpanData> spans) {
  Writer attributes;
  for (const auto& [key, value] : resource)
    attributes.message(resource_field::attributes, key_value(key, Value(value)));
  Writer scope;
  scope.text(scope_field::name, "memseal");
  scope.text(scope_field::version, scope_version);
  Writer scope_spans;
  scope_spans.message(scope_spans_field::scope, scope.out());
  for (const auto& span : spans) scope_spans.message(scope_spans_field::spans, span_of(span));
  Writer resource_spans;
  resource_spans.message(resource_spans_field::resource, attributes.out());
  resource_spans.message(resource_spans_field::scope_spans, scope_spans.out());
  Writer request;
  request.message(request_field::resource_spans, resource_spans.out());
  return request.take();
}

std::optional<std::int64_t> rejected_spans(std::string_view response) {
  Reader reader(response);
  std::int64_t rejected = 0;
  while (!reader.at_end()) {
    const auto field = read_field(reader);
    if (!field) return std::nullopt;
    if (field->number != response_field::partial_success || !field->bytes) continue;
    const auto part = rejected_of(*field->bytes);
    if (!part) return std::nullopt;
    rejected = *part;
  }
  return rejected;
}

}  // namespace memseal::trace

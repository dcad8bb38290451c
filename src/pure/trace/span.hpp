#pragma once
// What is told of one piece of work: OpenTelemetry's span.
// NOTE: a span never holds content: no text, no id that a client chose, no user.
#include "pure/trace/context.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace memseal::trace {

enum class SpanKind { internal = 1, server = 2, client = 3, producer = 4, consumer = 5 };  // OTLP's

using Value = std::variant<bool, std::int64_t, std::string>;

struct Attribute {
  std::string_view key;  ///< a literal
  Value value;
};

/// A span that has ended.
struct SpanData {
  SpanContext context;
  SpanId parent{};                ///< all zero: the first of its trace
  bool parent_is_remote = false;  ///< another process said it
  std::string name;
  SpanKind kind = SpanKind::internal;
  std::int64_t start_ns = 0, end_ns = 0;  ///< since the Unix epoch
  std::vector<Attribute> attributes = {};
  std::vector<SpanContext> links = {};
  std::size_t links_dropped = 0;
  bool failed = false;
};

/// Links of one span, at most; OpenTelemetry's default.
inline constexpr std::size_t links_max = 128;

}  // namespace memseal::trace

#pragma once
// Which trace a request or a record belongs to, as its headers say it.
// Source: W3C Trace Context, https://www.w3.org/TR/trace-context/ (version 00).
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::trace {

using TraceId = std::array<std::uint8_t, 16>;
using SpanId = std::array<std::uint8_t, 8>;

inline constexpr std::string_view parent_header = "traceparent";

/// A span, as others refer to it. The field tracestate is neither read nor passed on, because it is
/// a caller's text: it could hold content, and would stand in clear beside a sealed event.
struct SpanContext {
  TraceId trace_id{};
  SpanId span_id{};
  bool sampled = false;
};

/// Reads a field traceparent. Empty: it is malformed, and a new trace begins. A later version is
/// read as far as this one goes.
std::optional<SpanContext> parse_traceparent(std::string_view text);
/// "00-<trace id>-<span id>-<flags>", 55 characters.
std::string write_traceparent(const SpanContext& context);

/// The context that the field names, where there is one.
std::optional<SpanContext> read_context(std::optional<std::string_view> traceparent);

/// The fields that name a context: traceparent.
std::vector<std::pair<std::string, std::string>> headers_of(const SpanContext& context);

}  // namespace memseal::trace

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

inline constexpr std::string_view parent_header = "traceparent", state_header = "tracestate";

/// A span, as others refer to it.
struct SpanContext {
  TraceId trace_id{};
  SpanId span_id{};
  bool sampled = false;
  std::string state = {};  ///< the field tracestate, passed on as it came
};

/// Reads a field traceparent. Empty: it is malformed, and a new trace begins. A later version is
/// read as far as this one goes.
std::optional<SpanContext> parse_traceparent(std::string_view text);
/// "00-<trace id>-<span id>-<flags>", 55 characters.
std::string write_traceparent(const SpanContext& context);

/// Whether `text` is the list of a field tracestate. A list that is not is dropped, because it is
/// passed on to others.
bool is_tracestate(std::string_view text) noexcept;

/// The context that the two fields name.
std::optional<SpanContext> read_context(std::optional<std::string_view> traceparent,
                                        std::optional<std::string_view> tracestate);

/// The fields that name a context: traceparent, and tracestate where there is one.
std::vector<std::pair<std::string, std::string>> headers_of(const SpanContext& context);

}  // namespace memseal::trace

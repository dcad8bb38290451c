#include "http/server/tracing.hpp"

#include <algorithm>
#include <array>

namespace memseal::http {

namespace {

// What a client sends instead of a method could be anything.
std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 9> known{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  return std::ranges::find(known, method) != known.end() ? method : "_OTHER";
}

}  // namespace

std::optional<runtime::Span> start_span(runtime::Tracer* tracer, const RequestHead& head) {
  if (tracer == nullptr) return std::nullopt;
  std::optional<trace::SpanContext> parent;
  if (tracer->propagates()) parent = trace::read_context(head.field(trace::parent_header));
  return tracer->start(trace::SpanKind::server, parent ? &*parent : nullptr, true);
}

void end_span(Exchange& exchange, int status, bool own_id) {
  if (!exchange.span || !exchange.span->is_recorded() || exchange.is_routine) return;
  auto& span = *exchange.span;
  const auto method = known_method(exchange.head.method);
  const bool has_route = exchange.route != "unknown";
  span.name(std::string(method == "_OTHER" ? "HTTP" : method) +
            (has_route ? " " + std::string(exchange.route) : ""));
  span.set("http.request.method", std::string(method));
  if (has_route) span.set("http.route", std::string(exchange.route));
  span.set("http.response.status_code", std::int64_t{status});
  span.set("url.scheme", std::string("http"));
  span.set("network.protocol.version", exchange.head.minor_version == 0 ? std::string("1.0")
                                                                        : std::string("1.1"));
  if (own_id) span.set("memseal.request_id", exchange.context.id);
  if (status >= 500) {
    span.set("error.type", std::to_string(status));
    span.set_failed();
  }
  span.end();
}

}  // namespace memseal::http

#include "http/server/http_metrics.hpp"

#include <algorithm>
#include <array>

namespace memseal::http {

namespace {

constexpr std::array stream_ends{"completed", "failed", "client_closed", "write_failed",
                                 "shutting_down"};
static_assert(stream_ends.size() == stream_end_count);

/// Methods are a client's own words: only the known ones become label values.
std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 7> known{"GET",    "HEAD",    "POST", "PUT",
                                                         "DELETE", "OPTIONS", "PATCH"};
  return std::find(known.begin(), known.end(), method) != known.end() ? method : "other";
}

/// "2xx" of 204. A status is a number of three digits.
std::string class_label(int code) { return std::to_string(code / 100) + "xx"; }

runtime::Counter& admission(runtime::Metrics& metrics, const char* outcome) {
  return metrics.counter(
      "memseal_ratelimit_decisions_total",
      "Decisions of the rate limiter. degraded: this process decided without Redis.",
      {{"outcome", outcome}});
}

}  // namespace

const char* stream_end_name(StreamEnd end) noexcept {
  return stream_ends[static_cast<std::size_t>(end)];
}

HttpMetrics::HttpMetrics(runtime::Metrics& metrics)
    : streams_active(metrics.gauge("memseal_sse_streams_active", "Event streams that are open.")),
      streams_started(
          metrics.counter("memseal_sse_streams_started_total", "Event streams that began.")),
      waits_active(metrics.gauge("memseal_http_waits_active",
                                 "Requests that wait until what they wrote can be found.")),
      connections_active(
          metrics.gauge("memseal_http_connections_active", "HTTP connections that are open.")),
      connections(
          metrics.counter("memseal_http_connections_total", "HTTP connections that were served.")),
      connections_refused(
          metrics.counter("memseal_http_connections_refused_total", "Connections over the limit.")),
      address_refusals(
          metrics.counter("memseal_http_address_refusals_total",
                          "Connections over http.connections_per_address.")),
      user_refusals(metrics.counter("memseal_http_user_refusals_total",
                                    "Requests over http.requests_per_user.")),
      bytes_refusals(metrics.counter("memseal_http_bytes_refusals_total",
                                     "Requests and answers over http.bytes_max.")),
      bytes_held(metrics.gauge("memseal_http_bytes_held",
                               "Bytes of requests, and of answers that are being sent.")),
      framing_refusals(metrics.counter("memseal_http_gate_refusals_total",
                                       "Requests that were refused for their framing.")),
      unauthenticated(
          metrics.counter("memseal_auth_failures_total", "Requests without a valid token.")),
      admitted(admission(metrics, "allowed")),
      limited(admission(metrics, "denied")),
      degraded(admission(metrics, "degraded")),
      metrics_(metrics) {
  for (int i = 0; i < stream_end_count; ++i) {
    streams_[i] = &metrics.counter("memseal_sse_streams_total",
                                   "Event streams by how they ended.",
                                   {{"outcome", stream_ends[static_cast<std::size_t>(i)]}});
  }
}

void HttpMetrics::request(std::string_view route, std::string_view method, int code,
                          double seconds) {
  const auto label = method_label(method);
  const std::lock_guard lock(mutex_);
  // A key of views finds a known combination without an allocation. Routes are patterns, not paths,
  // so a client cannot make new ones.
  const auto key = std::tuple<std::string_view, std::string_view, int>(route, label, code);
  auto known = requests_.find(key);
  if (known == requests_.end()) {
    auto& counter = metrics_.counter(
        "memseal_http_requests_total", "Requests by route, method and status.",
        {{"route", std::string(route)}, {"method", std::string(label)},
         {"code", std::to_string(code)}});
    auto& duration = metrics_.histogram(
        "memseal_http_request_duration_seconds",
        "Time from a request's header to the end of its answer, by route and class of the status.",
        runtime::latency_buckets_s(),
        {{"route", std::string(route)}, {"class", class_label(code)}});
    known = requests_
                .emplace(std::tuple(std::string(route), std::string(label), code),
                         Series{&counter, &duration})
                .first;
  }
  known->second.count->Increment();
  known->second.duration->Observe(seconds);
}

runtime::Counter& HttpMetrics::streams_cut(std::string_view cause) {
  return metrics_.counter("memseal_sse_streams_cut_total",
                          "Event streams that ended before their answer was whole, by cause.",
                          {{"cause", std::string(cause)}});
}

runtime::Counter& HttpMetrics::limited_by(std::string_view bucket, std::string_view limit) {
  return metrics_.counter("memseal_ratelimit_denied_total",
                          "Requests that were refused with 429, by the limit that had no room.",
                          {{"bucket", std::string(bucket)}, {"limit", std::string(limit)}});
}

}  // namespace memseal::http

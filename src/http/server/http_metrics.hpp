#pragma once
// The metrics of the HTTP server.
#include "runtime/metrics.hpp"

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>

namespace memseal::http {

/// How a stream ended. `client_closed` is outside the success objective.
enum class StreamEnd { completed, failed, client_closed, write_failed, shutting_down };
inline constexpr int stream_end_count = 5;

/// References into Metrics; lives as long as it. One for the process; any thread.
class HttpMetrics {
 public:
  explicit HttpMetrics(runtime::Metrics& metrics);

  /// memseal_http_requests_total{route,method,code} and memseal_http_request_duration_seconds.
  /// `route` is a pattern of the route table, never a raw path.
  void request(std::string_view route, std::string_view method, int code, double seconds);
  /// memseal_sse_streams_total{outcome}
  runtime::Counter& streams(StreamEnd end) { return *streams_[static_cast<int>(end)]; }

  /// memseal_ratelimit_denied_total{bucket,limit}. Both are words of the code, never a client's.
  runtime::Counter& limited_by(std::string_view bucket, std::string_view limit);

  runtime::Gauge& streams_active;         ///< memseal_sse_streams_active
  runtime::Gauge& waits_active;           ///< memseal_http_waits_active
  runtime::Gauge& connections_active;     ///< memseal_http_connections_active
  runtime::Counter& connections;          ///< memseal_http_connections_total
  runtime::Counter& connections_refused;  ///< memseal_http_connections_refused_total
  runtime::Counter& framing_refusals;     ///< memseal_http_gate_refusals_total
  runtime::Counter& unauthenticated;      ///< memseal_auth_failures_total
  runtime::Counter& admitted;             ///< memseal_ratelimit_decisions_total{outcome}
  runtime::Counter& limited;
  runtime::Counter& degraded;             ///< decided by the local bucket, allowed or not

 private:
  runtime::Metrics& metrics_;
  runtime::Histogram& duration_;
  runtime::Counter* streams_[stream_end_count];
  std::mutex mutex_;  // Guards the cache of counters; never held across a wait.
  /// Compares keys with views of them.
  struct KeyLess {
    using is_transparent = void;
    using View = std::tuple<std::string_view, std::string_view, int>;
    bool operator()(const View& a, const View& b) const { return a < b; }
  };
  std::map<std::tuple<std::string, std::string, int>, runtime::Counter*, KeyLess> requests_;
};

}  // namespace memseal::http

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
const char* stream_end_name(StreamEnd end) noexcept;

/// References into Metrics; lives as long as it. One for the process; any thread.
class HttpMetrics {
 public:
  explicit HttpMetrics(runtime::Metrics& metrics);

  /// memseal_http_requests_total{route,method,code} and
  /// memseal_http_request_duration_seconds{route,class}.
  /// `route` is a pattern of the route table, never a raw path.
  void request(std::string_view route, std::string_view method, int code, double seconds);
  /// memseal_sse_streams_total{outcome}
  runtime::Counter& streams(StreamEnd end) { return *streams_[static_cast<int>(end)]; }
  /// memseal_sse_streams_cut_total{cause}: `cause` is the name of an Errc or of a StreamEnd.
  runtime::Counter& streams_cut(std::string_view cause);

  /// memseal_ratelimit_denied_total{bucket,limit}. Both are words of the code, never a client's.
  runtime::Counter& limited_by(std::string_view bucket, std::string_view limit);

  runtime::Gauge& streams_active;         ///< memseal_sse_streams_active
  runtime::Counter& streams_started;      ///< memseal_sse_streams_started_total
  runtime::Gauge& waits_active;           ///< memseal_http_waits_active
  runtime::Gauge& connections_active;     ///< memseal_http_connections_active
  runtime::Counter& connections;          ///< memseal_http_connections_total
  runtime::Counter& connections_refused;  ///< memseal_http_connections_refused_total
  runtime::Counter& address_refusals;     ///< memseal_http_address_refusals_total
  runtime::Counter& user_refusals;        ///< memseal_http_user_refusals_total
  runtime::Counter& bytes_refusals;       ///< memseal_http_bytes_refusals_total
  runtime::Gauge& bytes_held;             ///< memseal_http_bytes_held
  runtime::Counter& framing_refusals;     ///< memseal_http_gate_refusals_total
  runtime::Counter& unauthenticated;      ///< memseal_auth_failures_total
  runtime::Counter& admitted;             ///< memseal_ratelimit_decisions_total{outcome}
  runtime::Counter& limited;
  runtime::Counter& degraded;             ///< decided by the local bucket, allowed or not

 private:
  /// What one combination of route, method and code counts in.
  struct Series {
    runtime::Counter* count;
    runtime::Histogram* duration;
  };

  runtime::Metrics& metrics_;
  runtime::Counter* streams_[stream_end_count];
  std::mutex mutex_;  // Guards the cache of series; never held across a wait.
  /// Compares keys with views of them.
  struct KeyLess {
    using is_transparent = void;
    using View = std::tuple<std::string_view, std::string_view, int>;
    bool operator()(const View& a, const View& b) const { return a < b; }
  };
  std::map<std::tuple<std::string, std::string, int>, Series, KeyLess> requests_;
};

}  // namespace memseal::http

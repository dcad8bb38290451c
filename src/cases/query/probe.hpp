#pragma once
// What the answering of queries tells the metrics.
#include "runtime/metrics.hpp"

#include <cstdint>
#include <optional>

namespace memseal::query {

/// Why an answer is in search order. The names are part of the API (`fallback_reason`).
enum class Fallback {
  none,           ///< it was reranked, or there was nothing to rank
  not_requested,  ///< the client asked for search order
  disabled,       ///< switched off by the operator or a guardrail
  no_model,       ///< this process has no reranker
  breaker_open,   ///< the reranker was slow or failed a short while ago
  timeout,        ///< it had ranked nothing within the budget
  error,          ///< it failed
};
inline constexpr int fallback_count = 7;

/// The spelling that clients and metrics see, e.g. "breaker_open". Static lifetime.
const char* fallback_name(Fallback reason) noexcept;

/// References into Metrics; lives as long as it. One for the process; any thread.
struct Probe {
  explicit Probe(runtime::Metrics& metrics);

  runtime::Counter& fallbacks(Fallback reason) { return *fallbacks_[static_cast<int>(reason)]; }

  runtime::Histogram& duration;           ///< memseal_query_duration_seconds, answered queries
  runtime::Histogram& ttfv;               ///< memseal_query_ttfv_seconds: first result handed on
  runtime::Histogram& embed;              ///< memseal_query_stage_duration_seconds{stage=...}
  runtime::Histogram& search;
  runtime::Histogram& open;
  runtime::Histogram& rerank;
  runtime::Counter& answered;             ///< memseal_queries_total{outcome=...}
  runtime::Counter& failed;
  runtime::Counter& cancelled;
  runtime::Counter& results;              ///< memseal_query_results_total
  /// memseal_open_failures_total{cause=...}: candidates that were left out.
  runtime::Counter& open_not_a_blob;
  runtime::Counter& open_key_missing;
  runtime::Counter& open_not_authentic;
  /// memseal_cross_tenant_decrypt_attempts_total: a row found under one tenant did not
  /// authenticate for that tenant. Zero in a healthy deployment: alert on the first.
  runtime::Counter& cross_tenant_decrypt_attempts;
  runtime::Gauge& rerank_circuit_open;    ///< memseal_rerank_circuit_open, 0 or 1
  /// Of single calls of the reranker, whoever makes them; not of those whose client went away.
  runtime::Histogram& rerank_duration;    ///< memseal_rerank_duration_seconds
  runtime::Histogram& rerank_batch;       ///< memseal_rerank_batch_size: texts of one call
  runtime::Gauge& rerank_queue;           ///< memseal_rerank_queue_length: calls begun, not ended
  runtime::Counter& rerank_partial;       ///< memseal_rerank_partial_total: not all were ranked

 private:
  runtime::Counter* fallbacks_[fallback_count];  ///< memseal_rerank_fallback_total{reason=...}
};

/// The value below which a share `q` (0 to 1) of what `histogram` saw lies, by straight lines
/// inside its buckets, as Prometheus's histogram_quantile(); at most the last finite edge. Empty
/// while it saw nothing.
std::optional<double> quantile(const runtime::Histogram& histogram, double q);

/// How often `histogram` was told something, and the mean of it (0 for none).
struct Observed {
  std::uint64_t count = 0;
  double mean = 0;
};
Observed observed(const runtime::Histogram& histogram);

}  // namespace memseal::query

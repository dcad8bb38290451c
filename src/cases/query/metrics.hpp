#pragma once
// What the answering of queries tells the metrics.
#include "runtime/metrics.hpp"

namespace memseal::query {

/// References into Metrics, which must outlive them. One for the process.
/// Thread: any.
struct QueryMetrics {
  explicit QueryMetrics(runtime::Metrics& metrics);

  runtime::Histogram& duration;           ///< memseal_query_duration_seconds, answered queries
  runtime::Histogram& ttfv;               ///< memseal_query_ttfv_seconds: first result handed on
  /// memory_query_response_time_ms: queries that were answered or failed. One that hangs until its
  /// deadline fails, and must not look like less traffic.
  runtime::Histogram& response_time_ms;
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
  runtime::Counter& aad_mismatches;       ///< memory_aad_mismatch_total: the same number
};

}  // namespace memseal::query

#include "cases/query/metrics.hpp"

#include <vector>

namespace memseal::query {

namespace {

/// The thresholds of rules and objectives, as in latency_buckets_s().
const std::vector<double>& response_buckets_ms() {
  static const std::vector<double> edges{1,   2,   5,   10,  20,  50,    100,   150,
                                         200, 250, 400, 800, 1'500, 3'000, 10'000};
  return edges;
}

runtime::Histogram& stage(runtime::Metrics& metrics, const char* name) {
  return metrics.histogram("memseal_query_stage_duration_seconds",
                           "Time of one stage of a query.", runtime::latency_buckets_s(),
                           {{"stage", name}});
}

runtime::Counter& outcome(runtime::Metrics& metrics, const char* name) {
  return metrics.counter("memseal_queries_total", "Queries by how they ended.",
                         {{"outcome", name}});
}

runtime::Counter& open_failure(runtime::Metrics& metrics, const char* cause) {
  return metrics.counter("memseal_open_failures_total",
                         "Candidates that were left out because they did not open.",
                         {{"cause", cause}});
}

}  // namespace

QueryMetrics::QueryMetrics(runtime::Metrics& metrics)
    : duration(metrics.histogram("memseal_query_duration_seconds",
                                 "Time from the start of a query to its last result.",
                                 runtime::latency_buckets_s())),
      ttfv(metrics.histogram("memseal_query_ttfv_seconds",
                             "Time from the start of a query until its first result was written.",
                             runtime::latency_buckets_s())),
      response_time_ms(metrics.histogram(
          "memory_query_response_time_ms",
          "Time from the start of a query until it was answered or failed, in milliseconds.",
          response_buckets_ms())),
      embed(stage(metrics, "embed")),
      search(stage(metrics, "search")),
      open(stage(metrics, "open")),
      rerank(stage(metrics, "rerank")),
      answered(outcome(metrics, "answered")),
      failed(outcome(metrics, "failed")),
      cancelled(outcome(metrics, "cancelled")),
      results(metrics.counter("memseal_query_results_total", "Results given to clients.")),
      open_not_a_blob(open_failure(metrics, "not_a_blob")),
      open_key_missing(open_failure(metrics, "key_missing")),
      open_not_authentic(open_failure(metrics, "not_authentic")),
      cross_tenant_decrypt_attempts(
          metrics.counter("memseal_cross_tenant_decrypt_attempts_total",
                          "Rows found under one tenant that did not authenticate for it.")),
      aad_mismatches(metrics.counter("memory_aad_mismatch_total",
                                     "Rows found under one tenant that did not authenticate for "
                                     "it. As memseal_cross_tenant_decrypt_attempts_total.")) {}

}  // namespace memseal::query

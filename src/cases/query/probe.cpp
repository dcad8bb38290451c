#include "cases/query/probe.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::query {

const char* fallback_name(Fallback reason) noexcept {
  switch (reason) {
    case Fallback::none: return "none";
    case Fallback::not_requested: return "not_requested";
    case Fallback::disabled: return "disabled";
    case Fallback::no_model: return "no_model";
    case Fallback::breaker_open: return "breaker_open";
    case Fallback::timeout: return "timeout";
    case Fallback::error: return "error";
  }
  return "error";
}

namespace {

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

// Every objective of a rerank is an edge; beyond the budget there are only bulk calls.
const std::vector<double>& rerank_buckets_s() {
  static const std::vector<double> edges{0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2,
                                         0.25,  0.5,  1,     2.5,  5,   10};
  return edges;
}

const std::vector<double>& batch_buckets() {
  static const std::vector<double> edges{1, 2, 4, 8, 12, 16, 24, 32, 64};
  return edges;
}

}  // namespace

Probe::Probe(runtime::Metrics& metrics)
    : duration(metrics.histogram("memseal_query_duration_seconds",
                                 "Time from the start of a query to its last result.",
                                 runtime::latency_buckets_s())),
      ttfv(metrics.histogram("memseal_query_ttfv_seconds",
                             "Time from the start of a query until its first result was written.",
                             runtime::latency_buckets_s())),
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
      rerank_circuit_open(metrics.gauge("memseal_rerank_circuit_open",
                                        "1 while the breaker keeps queries off the reranker.")),
      rerank_duration(metrics.histogram("memseal_rerank_duration_seconds",
                                        "Time of one call of the reranker, waiting included.",
                                        rerank_buckets_s())),
      rerank_batch(metrics.histogram("memseal_rerank_batch_size",
                                     "Texts in one call of the reranker.", batch_buckets())),
      rerank_queue(metrics.gauge("memseal_rerank_queue_length",
                                 "Calls of the reranker that have begun and not ended.")),
      rerank_partial(metrics.counter("memseal_rerank_partial_total",
                                     "Answers of which only the first texts were ranked in "
                                     "time.")) {
  for (int i = 0; i < fallback_count; ++i) {
    fallbacks_[i] = &metrics.counter("memseal_rerank_fallback_total",
                                     "Answers in search order, by reason; none: reranked.",
                                     {{"reason", fallback_name(static_cast<Fallback>(i))}});
  }
}

std::optional<double> quantile(const runtime::Histogram& histogram, double q) {
  const auto seen = histogram.Collect().histogram;
  if (seen.sample_count == 0) return std::nullopt;
  const auto rank = q * static_cast<double>(seen.sample_count);
  double edge = 0, below = 0;  // of the buckets before
  for (const auto& bucket : seen.bucket) {
    const auto here = static_cast<double>(bucket.cumulative_count);
    if (std::isinf(bucket.upper_bound)) break;
    if (here >= rank && here > below)
      return edge + (bucket.upper_bound - edge) * std::max(rank - below, 0.0) / (here - below);
    edge = bucket.upper_bound;
    below = here;
  }
  return edge;
}

Observed observed(const runtime::Histogram& histogram) {
  const auto seen = histogram.Collect().histogram;
  if (seen.sample_count == 0) return {};
  return {seen.sample_count, seen.sample_sum / static_cast<double>(seen.sample_count)};
}

}  // namespace memseal::query

#include "cases/rerank/metrics.hpp"

#include <vector>

namespace memseal::rerank {

namespace {

// Every latency objective of reranking is an edge. Only bulk calls take longer than the budget.
const std::vector<double>& duration_buckets_s() {
  static const std::vector<double> edges{0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2,
                                         0.25,  0.5,  1,     2.5,  5,   10};
  return edges;
}

const std::vector<double>& batch_buckets() {
  static const std::vector<double> edges{1, 2, 4, 8, 12, 16, 24, 32, 64};
  return edges;
}

}  // namespace

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

RerankMetrics::RerankMetrics(runtime::Metrics& metrics)
    : circuit_open(metrics.gauge("memseal_rerank_circuit_open",
                                 "1 while the circuit breaker keeps queries off the reranker.")),
      duration(metrics.histogram("memseal_rerank_duration_seconds",
                                 "Time of one call of the reranker, queueing included.",
                                 duration_buckets_s())),
      batch(metrics.histogram("memseal_rerank_batch_size", "Texts in one call of the reranker.",
                              batch_buckets())),
      queue(metrics.gauge("memseal_rerank_queue_length",
                          "Calls of the reranker that have begun and not ended.")),
      partial(metrics.counter("memseal_rerank_partial_total",
                              "Answers of which only the first texts were ranked in time.")) {
  for (int i = 0; i < fallback_count; ++i) {
    const auto* name = fallback_name(static_cast<Fallback>(i));
    fallbacks_[static_cast<std::size_t>(i)] = &metrics.counter(
        "memseal_rerank_fallback_total",
        "Answers in search order by reason; reason \"none\" counts reranked answers.",
        {{"reason", name}});
  }
}

}  // namespace memseal::rerank

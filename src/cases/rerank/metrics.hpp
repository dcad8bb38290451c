#pragma once
// What calls of the reranker tell the metrics, and why an answer was not reranked.
#include "runtime/metrics.hpp"

#include <array>
#include <cstddef>

namespace memseal::rerank {

/// Why an answer is in search order. The names are part of the API (`fallback_reason`).
enum class Fallback {
  none,           ///< the answer was reranked, or there was nothing to rank
  not_requested,  ///< the client asked for search order
  disabled,       ///< an operator or a guardrail switched reranking off
  no_model,       ///< this process has no reranker
  breaker_open,   ///< the reranker was slow or failed a short while ago
  timeout,        ///< the reranker had ranked nothing within the budget
  error,          ///< the reranker failed
};
inline constexpr int fallback_count = 7;

/// The spelling that clients and metrics see, e.g. "breaker_open". Static lifetime.
const char* fallback_name(Fallback reason) noexcept;

/// References into Metrics, which must outlive them. One for the process.
/// Thread: any.
struct RerankMetrics {
  explicit RerankMetrics(runtime::Metrics& metrics);

  /// memseal_rerank_fallback_total{reason=...}
  runtime::Counter& fallbacks(Fallback reason) {
    return *fallbacks_[static_cast<std::size_t>(reason)];
  }

  runtime::Gauge& circuit_open;   ///< memseal_rerank_circuit_open, 0 or 1
  /// Of single calls of the reranker. Calls whose client disconnected are not observed.
  runtime::Histogram& duration;   ///< memseal_rerank_duration_seconds
  runtime::Histogram& batch;      ///< memseal_rerank_batch_size: texts of one call
  runtime::Gauge& queue;          ///< memseal_rerank_queue_length: calls begun and not ended
  runtime::Counter& partial;      ///< memseal_rerank_partial_total: only some texts were ranked

 private:
  std::array<runtime::Counter*, fallback_count> fallbacks_;
};

}  // namespace memseal::rerank

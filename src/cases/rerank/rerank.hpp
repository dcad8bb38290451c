#pragma once
// One call of the reranker: time budget, circuit breaker, metrics. Queries and the inference
// endpoints share this code.
#include "base/limits.hpp"
#include "cases/rerank/metrics.hpp"
#include "cases/rerank/settings.hpp"
#include "ports/reranker.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <exception>
#include <string>
#include <vector>

namespace memseal::policy {
class Breaker;
}

namespace memseal::rerank {

namespace asio = boost::asio;

/// What an operator or a guardrail may switch while the process runs.
/// Thread: any.
struct Flags {
  std::atomic<bool> rerank_enabled{Settings{}.enabled};
  /// Of queries alone. A client of an endpoint that only ranks gets nothing else from it, and a
  /// refusal would count as one more error.
  std::atomic<bool> guard_allows_queries{true};
};

/// What a call of the reranker needs. Everything that it refers to must outlive it.
/// Thread: that of one io_context, because the breaker has no lock.
struct RerankDeps {
  ports::Reranker* reranker = nullptr;  ///< null: no model is configured
  policy::Breaker& breaker;
  const Flags& flags;
  RerankMetrics& metrics;
  runtime::Clock::duration budget = limits::rerank_budget;  ///< of a query's one call
};

struct Scored {
  std::vector<float> logits;           ///< of the first texts, finite; empty: the call failed
  Fallback fallback = Fallback::none;  ///< why `logits` is empty
  std::exception_ptr failure;          ///< what the reranker threw, if that is why
  runtime::Clock::duration took{}, budget{};
};

/// Calls the reranker and waits at most `budget`.
/// REQUIRES: `deps.reranker` is set and the breaker allowed the call.
/// Throws only when the caller itself was cancelled, and then calls Breaker::forget() first.
asio::awaitable<Scored> ask_reranker(RerankDeps& deps, runtime::RequestContext context,
                                     runtime::Clock::duration budget, std::string query,
                                     std::vector<std::string> texts);

/// Records the outcome of a call in the breaker. A call that ended in time out of less than
/// `deps.budget` is not recorded, because the caller, not the reranker, left that little time.
void record_outcome(RerankDeps& deps, const Scored& scored);

/// Records the outcome of a call in the breaker, and the breaker's state in the metrics.
void record_verdict(RerankDeps& deps, runtime::Clock::duration took, bool succeeded);

}  // namespace memseal::rerank

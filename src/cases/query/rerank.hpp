#pragma once
// One call of the reranker: its budget, its shape, what it tells the metrics and the breaker.
#include "cases/query/answer.hpp"

#include <exception>
#include <string>
#include <vector>

namespace memseal::query {

struct Scored {
  std::vector<float> logits;              ///< of the first texts, finite; empty: none
  Fallback fallback = Fallback::none;     ///< why there is none
  std::exception_ptr failure;             ///< what was thrown, if that is why
  runtime::Clock::duration took{};
};

/// Waits for the reranker, but not longer than `budget`. Call after the breaker allowed it.
/// Throws only when the caller itself was cancelled, after Breaker::forget().
asio::awaitable<Scored> ask_reranker(Parts& parts, runtime::RequestContext context,
                                     runtime::Clock::duration budget, std::string query,
                                     std::vector<std::string> texts);

/// Tells the breaker what became of a call that took `took`, and the metrics what it made of it.
void record_verdict(Parts& parts, runtime::Clock::duration took, bool succeeded);

}  // namespace memseal::query

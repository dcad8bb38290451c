#include "cases/rerank/rerank.hpp"

#include "base/on_exit.hpp"
#include "base/result.hpp"
#include "pure/policy/breaker.hpp"
#include "runtime/log.hpp"
#include "runtime/observe.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace memseal::rerank {

namespace {

using runtime::Clock;

Fallback fallback_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error().code == Errc::timeout ? Fallback::timeout : Fallback::error;
  } catch (const boost::system::system_error& error) {
    // cancel_after() reports its timeout this way. The caller's own cancellation never gets here:
    // ask_reranker() has rethrown it.
    return error.code() == asio::error::operation_aborted ? Fallback::timeout : Fallback::error;
  } catch (const std::exception&) {
    return Fallback::error;
  }
}

/// One finite number for each of the first `texts`, for at least one text.
bool is_prefix(const std::vector<float>& logits, std::size_t texts) {
  return !logits.empty() && logits.size() <= texts &&
         std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
}

void log_failure(const runtime::RequestContext& context, const Scored& scored) {
  runtime::log(runtime::LogLevel::warn, "rerank.failed",
               {{"request_id", context.id}, {"cause", fallback_name(scored.fallback)},
                {"took_ms", std::chrono::duration<double, std::milli>(scored.took).count()}});
}

}  // namespace

asio::awaitable<Scored> ask_reranker(RerankDeps& deps, runtime::RequestContext context,
                                     Clock::duration budget, std::string query,
                                     std::vector<std::string> texts) {
  auto& metrics = deps.metrics;
  const auto count = texts.size();
  metrics.batch.Observe(static_cast<double>(count));
  metrics.queue.Increment();
  OnExit left{[&metrics] { metrics.queue.Decrement(); }};
  Scored scored;
  scored.budget = budget;
  const auto started = Clock::now();
  try {
    // A reranker ends before the deadline of its context. cancel_after covers one that does not,
    // because a query must not take longer than its budget.
    auto work = deps.reranker->score(context.within(budget), std::move(query), std::move(texts));
    scored.logits =
        // Awaited as an operation of its own, so that the timer cancels this call and not the query
        // around it. The query then continues in search order.
        co_await asio::co_spawn(co_await asio::this_coro::executor, std::move(work),
                                asio::cancel_after(budget, asio::use_awaitable));
  } catch (...) {
    scored.failure = std::current_exception();
  }
  // Outside the handler, because a handler cannot co_await.
  const auto state = co_await asio::this_coro::cancellation_state;
  if (scored.failure && state.cancelled() != asio::cancellation_type::none) {
    // The client disconnected, which says nothing about the reranker.
    deps.breaker.forget();
    std::rethrow_exception(scored.failure);
  }
  scored.took = runtime::observe_since(metrics.duration, started);
  if (scored.failure)
    scored.fallback = fallback_of(scored.failure);
  else if (!is_prefix(scored.logits, count))
    scored.fallback = Fallback::error;
  if (scored.fallback != Fallback::none) {
    // A partly wrong answer is not used in part. Empty is what callers look at.
    scored.logits.clear();
    log_failure(context, scored);
  }
  co_return scored;
}

void record_outcome(RerankDeps& deps, const Scored& scored) {
  // Too little time says nothing about the reranker. If it counted, slow searches would open the
  // breaker.
  if (scored.fallback == Fallback::timeout && scored.budget < deps.budget)
    deps.breaker.forget();
  else
    record_verdict(deps, scored.took, scored.fallback == Fallback::none);
}

void record_verdict(RerankDeps& deps, Clock::duration took, bool succeeded) {
  deps.breaker.record(Clock::now(), took, succeeded);
  // Half-open shows as 0: the next call may go.
  const bool open = deps.breaker.state(Clock::now()) == policy::BreakerState::open;
  deps.metrics.circuit_open.Set(open ? 1 : 0);
}

}  // namespace memseal::rerank

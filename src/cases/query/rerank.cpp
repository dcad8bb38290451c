#include "cases/query/rerank.hpp"

#include "base/on_exit.hpp"
#include "pure/policy/breaker.hpp"
#include "runtime/log.hpp"

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

namespace memseal::query {

namespace {

using runtime::Clock;

Fallback fallback_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error().code == Errc::timeout ? Fallback::timeout : Fallback::error;
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted ? Fallback::timeout : Fallback::error;
  } catch (const std::exception&) {
    return Fallback::error;
  }
}

/// One finite number for each of the first texts.
bool is_prefix(const std::vector<float>& logits, std::size_t texts) {
  return !logits.empty() && logits.size() <= texts &&
         std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
}

void log_failure(const runtime::RequestContext& context, const Scored& scored) {
  runtime::log(runtime::LogLevel::warn, "rerank_failed",
               {{"request_id", context.id}, {"reason", fallback_name(scored.fallback)},
                {"took_ms", std::chrono::duration<double, std::milli>(scored.took).count()}});
}

}  // namespace

asio::awaitable<Scored> ask_reranker(Parts& parts, runtime::RequestContext context,
                                     Clock::duration budget, std::string query,
                                     std::vector<std::string> texts) {
  auto& probe = parts.probe;
  const auto count = texts.size();
  probe.rerank_batch.Observe(static_cast<double>(count));
  probe.rerank_queue.Increment();
  OnExit left{[&probe] { probe.rerank_queue.Decrement(); }};
  Scored scored;
  const auto started = Clock::now();
  try {
    // The reranker keeps the deadline itself; a second hand stops waiting for one that does not.
    auto work = parts.reranker->score(context.within(budget), std::move(query), std::move(texts));
    scored.logits =
        co_await asio::co_spawn(co_await asio::this_coro::executor, std::move(work),
                                asio::cancel_after(budget, asio::use_awaitable));
  } catch (...) {
    scored.failure = std::current_exception();
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  if (scored.failure && state.cancelled() != asio::cancellation_type::none) {
    parts.breaker.forget();
    std::rethrow_exception(scored.failure);  // the client is gone: nobody wants an answer
  }
  scored.took = Clock::now() - started;
  probe.rerank_duration.Observe(std::chrono::duration<double>(scored.took).count());
  if (scored.failure)
    scored.fallback = fallback_of(scored.failure);
  else if (!is_prefix(scored.logits, count))
    scored.fallback = Fallback::error;
  if (scored.fallback != Fallback::none) {
    scored.logits.clear();
    log_failure(context, scored);
  }
  co_return scored;
}

void record_verdict(Parts& parts, Clock::duration took, bool succeeded) {
  parts.breaker.record(Clock::now(), took, succeeded);
  const bool open = parts.breaker.state(Clock::now()) == policy::BreakerState::open;
  parts.probe.rerank_circuit_open.Set(open ? 1 : 0);
}

}  // namespace memseal::query

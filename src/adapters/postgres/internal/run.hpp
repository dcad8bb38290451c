#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "adapters/postgres/pool.hpp"
#include "base/result.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace memseal::postgres {

/// The result of work that returns nothing.
struct Done {};

/// A slot in the pool's queue: taken by the constructor, returned once.
class QueueSlot {
 public:
  explicit QueueSlot(Pool& pool) : pool_(&pool) { pool.enter(); }
  ~QueueSlot() { release(); }
  QueueSlot(QueueSlot&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  QueueSlot& operator=(QueueSlot&&) = delete;
  void release() noexcept {
    if (pool_) std::exchange(pool_, nullptr)->leave();
  }

 private:
  Pool* pool_;
};

template <class R>
struct Outcome {
  std::exception_ptr failure;
  std::optional<R> value;
};

namespace detail {

// Catches everything: `operator||` waits for the first *success*, so an exception that escaped here
// would make the caller wait for the timer.
template <class R, class Run>
auto job_of(QueueSlot slot, Run run) {
  return [slot = std::move(slot), run = std::move(run)](std::stop_token stop) mutable {
    Outcome<R> outcome;
    try {
      outcome.value.emplace(run(stop));
    } catch (...) {
      outcome.failure = std::current_exception();
    }
    slot.release();
    return outcome;
  };
}

inline bool is_timeout(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error().code == Errc::timeout;
  } catch (...) {
    return false;
  }
}

// Waits until the job ends or the deadline passes. Counts timeouts here, because the thread and the
// caller may both see the deadline pass. A job that is late runs on, and its result is
// dropped.
template <class R, class Job>
asio::awaitable<R> finish(Pool& pool, runtime::RequestContext context, Job job) {
  using namespace asio::experimental::awaitable_operators;
  Outcome<R> outcome;
  if (context.deadline.at() == runtime::Clock::time_point::max()) {
    outcome = co_await runtime::offload(pool.threads(), std::move(job));
  } else {
    asio::steady_timer timer(co_await asio::this_coro::executor, context.deadline.at());
    auto first = co_await (runtime::offload(pool.threads(), std::move(job)) ||
                           timer.async_wait(asio::as_tuple(asio::use_awaitable)));
    if (first.index() == 1) {
      if (std::get<0>(std::get<1>(first)) == asio::error::operation_aborted) {
        throw boost::system::system_error(asio::error::operation_aborted);
      }
      pool.metrics().timeouts.Increment();
      throw Outage(Error{Errc::timeout, "database: no answer within the deadline"});
    }
    outcome = std::get<0>(std::move(first));
  }
  if (outcome.failure) {
    if (is_timeout(outcome.failure)) pool.metrics().timeouts.Increment();
    std::rethrow_exception(outcome.failure);
  }
  co_return std::move(*outcome.value);
}

}  // namespace detail

/// Awaits `work(TenantTx&)` in one committed transaction of `owner`. Access::write where `work`
/// writes or locks rows.
/// REQUIRES: `work` owns what it touches, or refers to what outlives the Pool, because the caller
/// may stop waiting before `work` ends.
/// Throws Outage or Refused.
template <class Work>
asio::awaitable<std::invoke_result_t<Work&, TenantTx&>> in_tenant(Pool& pool,
                                                                  runtime::RequestContext context,
                                                                  crypto::Tenant owner, Work work,
                                                                  Access access = Access::read) {
  using R = std::invoke_result_t<Work&, TenantTx&>;
  auto run = [&pool, context, owner, access,
              work = std::move(work)](const std::stop_token& stop) mutable {
    std::optional<R> value;
    pool.run_tenant(stop, context, owner, access, [&](TenantTx& tx) { value.emplace(work(tx)); });
    return std::move(*value);
  };
  auto job = detail::job_of<R>(QueueSlot(pool), std::move(run));
  co_return co_await detail::finish<R>(pool, context, std::move(job));
}

/// The same without a tenant.
template <class Work>
asio::awaitable<std::invoke_result_t<Work&, SystemTx&>> in_system(Pool& pool,
                                                                  runtime::RequestContext context,
                                                                  Work work,
                                                                  Access access = Access::read) {
  using R = std::invoke_result_t<Work&, SystemTx&>;
  auto run = [&pool, context, access,
              work = std::move(work)](const std::stop_token& stop) mutable {
    std::optional<R> value;
    pool.run_system(stop, context, access, [&](SystemTx& tx) { value.emplace(work(tx)); });
    return std::move(*value);
  };
  auto job = detail::job_of<R>(QueueSlot(pool), std::move(run));
  co_return co_await detail::finish<R>(pool, context, std::move(job));
}

}  // namespace memseal::postgres

#include "adapters/postgres/internal/run.hpp"

#include "base/result.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>

namespace memseal::postgres::detail {
namespace {

bool is_timeout(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error().code == Errc::timeout;
  } catch (...) {
    return false;
  }
}

}  // namespace

asio::awaitable<void> run_job(Pool& pool, runtime::RequestContext context, QueueSlot slot,
                              std::function<void(const std::stop_token&)> job) {
  using namespace asio::experimental::awaitable_operators;
  // Catches everything: `operator||` waits for the first *success*, so an exception that escaped
  // here would make the caller wait for the timer.
  auto run = [slot = std::move(slot), job = std::move(job)](const std::stop_token& stop) mutable {
    std::exception_ptr failure;
    try {
      job(stop);
    } catch (...) {
      failure = std::current_exception();
    }
    slot.release();
    return failure;
  };
  std::exception_ptr failure;
  if (context.deadline.at() == runtime::Clock::time_point::max()) {
    failure = co_await runtime::offload(pool.threads(), std::move(run));
  } else {
    asio::steady_timer timer(co_await asio::this_coro::executor, context.deadline.at());
    auto first = co_await (runtime::offload(pool.threads(), std::move(run)) ||
                           timer.async_wait(asio::as_tuple(asio::use_awaitable)));
    if (first.index() == 1) {
      if (std::get<0>(std::get<1>(first)) == asio::error::operation_aborted) {
        throw boost::system::system_error(asio::error::operation_aborted);
      }
      // Counted here, because the thread and the caller may both see the deadline pass.
      pool.metrics().timeouts.Increment();
      throw Outage(Error{Errc::timeout, "database: no answer within the deadline"});
    }
    failure = std::get<0>(std::move(first));
  }
  if (failure) {
    if (is_timeout(failure)) pool.metrics().timeouts.Increment();
    std::rethrow_exception(failure);
  }
}

}  // namespace memseal::postgres::detail

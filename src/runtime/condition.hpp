#pragma once
// A condition variable for coroutines of one single-threaded io_context.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace memseal::runtime {

namespace asio = boost::asio;

/// Thread: one executor. NOTE: wake-ups may be spurious, so wait in a loop around the condition.
class Condition {
 public:
  explicit Condition(const asio::any_io_executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()) {}

  void notify_all() { timer_.cancel(); }

  /// Throws operation_aborted only when the waiting coroutine itself was cancelled.
  asio::awaitable<void> wait() {
    co_await wait_uncancelled();
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
      throw boost::system::system_error(asio::error::operation_aborted);
  }

  /// Returns on notify_all() and on cancellation alike, and never throws.
  asio::awaitable<void> wait_uncancelled() {
    boost::system::error_code woken;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }

 private:
  asio::steady_timer timer_;
};

/// Sleeps for `time`; throws operation_aborted when cancelled.
inline asio::awaitable<void> pause_for(asio::steady_timer::duration time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace memseal::runtime

#pragma once
// Runs a blocking or heavy call on a thread pool and resumes the caller on its own executor.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace memseal::runtime {

namespace asio = boost::asio;

namespace detail {

template <class Handler>
struct OffloadState {
  OffloadState(Handler waiting, asio::any_io_executor fallback)
      : handler(std::move(waiting)),
        resume_on(asio::prefer(asio::get_associated_executor(handler, fallback),
                               asio::execution::outstanding_work.tracked)) {}

  Handler handler;
  // Counts as outstanding work, so that the caller's loop does not end before the caller resumes.
  asio::any_io_executor resume_on;
  std::stop_source stop;
  std::atomic<bool> settled{false};  // Exactly one of {worker, canceller} resumes the caller.
};

template <class State, class... Outcome>
void settle(const std::shared_ptr<State>& state, Outcome... outcome) {
  if (state->settled.exchange(true)) return;
  auto resume_on = state->resume_on;
  asio::post(resume_on, [state, ... outcome = std::move(outcome)]() mutable {
    auto slot = asio::get_associated_cancellation_slot(state->handler);
    if (slot.is_connected()) slot.clear();
    auto handler = std::move(state->handler);
    state->resume_on = {};
    std::move(handler)(std::move(outcome)...);
  });
}

}  // namespace detail

/// Awaits an R that a callback delivers.
/// Calls `start(std::stop_token, finish)` at once, on the caller's thread. `start` must not throw.
/// It must arrange that `finish(std::exception_ptr, R)` is called, from any thread. `finish` never
/// blocks. Copies of `finish` share the wait; only the first call counts.
/// The caller resumes on its own executor, or on `fallback` if it has none.
/// On cancellation the caller resumes at once, and the stop token asks the work to stop.
/// `token` is the completion token of the wait.
template <class R, class Start, class Token = asio::use_awaitable_t<>>
auto await_callback(asio::any_io_executor fallback, Start start, Token token = {}) {
  return asio::async_initiate<Token, void(std::exception_ptr, R)>(
      [fallback = std::move(fallback)](auto handler, Start begin) mutable {
        using State = detail::OffloadState<decltype(handler)>;
        auto state = std::make_shared<State>(std::move(handler), std::move(fallback));
        if (auto slot = asio::get_associated_cancellation_slot(state->handler);
            slot.is_connected()) {
          slot.assign([weak = std::weak_ptr(state)](asio::cancellation_type) {
            if (auto self = weak.lock()) {
              // First: work that sees the stop ends early, and must not bring what it has so far.
              detail::settle(self,
                             std::make_exception_ptr(
                                 boost::system::system_error(asio::error::operation_aborted)),
                             R{});
              self->stop.request_stop();
            }
          });
        }
        begin(state->stop.get_token(), [state](std::exception_ptr failure, R result) {
          detail::settle(state, std::move(failure), std::move(result));
        });
      },
      token, std::move(start));
}

/// As offload() below, but `submit(task)` decides when and on which thread of `pool` the move-only
/// `task()` runs. Use it for a queue of your own. `submit` must run the task, or destroy it with
/// the pool. `token` is the completion token of the wait, e.g. `cancel_after(time, use_awaitable)`.
template <class Submit, class Work, class Token = asio::use_awaitable_t<>>
auto offload_by(asio::thread_pool& pool, Submit submit, Work work, Token token = {}) {
  using R = std::invoke_result_t<Work&, std::stop_token>;
  auto start = [submit = std::move(submit), job = std::move(work)](std::stop_token stop,
                                                                  auto finish) mutable {
    submit([stop = std::move(stop), finish = std::move(finish), job = std::move(job)]() mutable {
      R result{};
      std::exception_ptr failure;
      try {
        result = job(std::move(stop));
      } catch (...) {
        failure = std::current_exception();
      }
      finish(std::move(failure), std::move(result));
    });
  };
  return await_callback<R>(pool.get_executor(), std::move(start), std::move(token));
}

namespace detail {

/// Awaits `task(stop)` on `pool`. One function for every kind of work, because each kind that Asio
/// itself sees takes long to compile.
asio::awaitable<void> offload_task(asio::thread_pool& pool,
                                   std::function<void(std::stop_token)> task);

/// Work and what came of it. The task and its caller share it: after a cancellation the task
/// outlives the caller.
template <class R, class Work>
struct OffloadedCall {
  explicit OffloadedCall(Work what) : work(std::move(what)) {}
  Work work;
  R value{};
};

}  // namespace detail

/// Awaits `work(std::stop_token)` on `pool`. Exceptions of `work` reach the caller.
/// REQUIRES: the result is default-constructible; `work` owns everything it touches, because
/// cancellation ends the wait but not the call. The late result is dropped.
template <class Work>
asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> offload(asio::thread_pool& pool,
                                                                      Work work) {
  using Call = detail::OffloadedCall<std::invoke_result_t<Work&, std::stop_token>, Work>;
  const auto call = std::make_shared<Call>(std::move(work));
  std::function<void(std::stop_token)> task = [call](std::stop_token stop) {
    call->value = call->work(std::move(stop));
  };
  co_await detail::offload_task(pool, std::move(task));
  co_return std::move(call->value);
}

}  // namespace memseal::runtime

#pragma once
// Puts questions before chunks on the threads that both share.
#include "base/result.hpp"
#include "runtime/context.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/execution/occupancy.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace memseal::model {

namespace asio = boost::asio;

/// The most urgent first.
enum class Urgency { question, rerank, chunks };

/// Runs tasks on a thread pool in the order of their urgency.
/// Work looks for more urgent tasks between its own steps and runs them on the spot, so that a
/// question waits for one step of a batch of chunks, not for the batch.
/// Of four threads and more, chunks leave one in eight free, at least one, while questions come: a
/// question then waits for no step either. Fewer threads are too few for that.
/// Lifetime: the pool's threads have ended before this is destroyed (ModelPool sees to that).
class PriorityPool {
 public:
  /// `reserve_for`: how long threads stay free of chunks after a question or reranking was posted.
  explicit PriorityPool(asio::thread_pool& threads,
                        runtime::Clock::duration reserve_for = std::chrono::seconds(1))
      : threads_(threads), reserve_for_(reserve_for) {}
  PriorityPool(const PriorityPool&) = delete;
  PriorityPool& operator=(const PriorityPool&) = delete;

  using Task = std::function<void()>;

  /// Threads of the pool.
  std::size_t threads() const noexcept {
    return asio::query(threads_.get_executor(), asio::execution::occupancy);
  }

  /// Threads that chunks may use at the same time now. Thread: any.
  std::size_t chunk_threads() const noexcept;
  /// Whether work of this urgency uses more threads than it may now. A task that can leave its rest
  /// to others then ends. Thread: any.
  bool is_crowded(Urgency urgency) const noexcept;

  /// Queues `task` by its urgency. Thread: any.
  void post(Urgency urgency, Task task);
  /// Runs the waiting tasks that are more urgent than `urgency`. Thread: the pool's.
  void yield_to_more_urgent_than(Urgency urgency);

  /// runtime::offload() by urgency. At the deadline the caller gets Outage{timeout}, even while
  /// `work` still runs. A `work` that looks at its stop token ends soon after.
  template <class Work>
  asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> offload(
      Urgency urgency, runtime::Deadline deadline, Work work);
  /// As offload(), but `submit(task)` decides when the move-only `task()` runs on the pool.
  template <class Submit, class Work>
  asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> offload_by(
      Submit submit, runtime::Deadline deadline, Work work);

 private:
  static constexpr std::size_t levels = 3;

  void add_ticket();
  void run_next();
  void chunks_ended();
  Task take(std::size_t less_than, bool& is_chunks);

  asio::thread_pool& threads_;
  const runtime::Clock::duration reserve_for_;
  std::mutex guard_;
  std::array<std::deque<Task>, levels> waiting_;
  std::atomic<std::size_t> chunk_tasks_{0};  // running now; changes under guard_
  /// Until when threads are reserved, in the clock's own unit.
  std::atomic<runtime::Clock::rep> reserved_until_{runtime::Clock::time_point::min()
                                                       .time_since_epoch().count()};
};

template <class Submit, class Work>
asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> PriorityPool::offload_by(
    Submit submit, runtime::Deadline deadline, Work work) {
  if (deadline.at() == runtime::Clock::time_point::max())
    co_return co_await runtime::offload_by(threads_, std::move(submit), std::move(work));
  asio::steady_timer timer(co_await asio::this_coro::executor);
  try {
    co_return co_await runtime::offload_by(
        threads_, std::move(submit), std::move(work),
        asio::cancel_after(timer, deadline.left(), asio::use_awaitable));
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted || !deadline.passed()) throw;
  }
  throw Outage({Errc::timeout, "the model did not answer within the deadline"});
}

template <class Work>
asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> PriorityPool::offload(
    Urgency urgency, runtime::Deadline deadline, Work work) {
  auto submit = [this, urgency](auto task) {
    // Shared, because std::function needs a copyable callable and the task is move-only.
    auto shared = std::make_shared<decltype(task)>(std::move(task));
    post(urgency, [shared] { (*shared)(); });
  };
  co_return co_await offload_by(std::move(submit), deadline, std::move(work));
}

}  // namespace memseal::model

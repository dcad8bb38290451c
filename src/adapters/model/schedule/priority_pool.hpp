#pragma once
// Puts questions before chunks on a pool that both share.
#include "base/result.hpp"
#include "runtime/context.hpp"
#include "runtime/offload.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/execution/occupancy.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace memseal::model {

namespace asio = boost::asio;

/// The most urgent first. Work looks for more urgent work between its own steps (yield_to) and
/// runs it on the spot, so a question waits for one step of a batch of chunks, not for the batch.
enum class Urgency { question, rerank, chunks };

/// One per pool, shared by every model that runs there: `asio::use_service<CpuLane>(pool)`.
class CpuLane final : public asio::execution_context::service {
 public:
  using key_type = CpuLane;
  static inline asio::execution_context::id id;

  explicit CpuLane(asio::execution_context& pool)
      : service(pool), pool_(static_cast<asio::thread_pool&>(pool)) {}

  using Task = std::function<void()>;

  /// Threads of the pool.
  std::size_t threads() const noexcept {
    return asio::query(pool_.get_executor(), asio::execution::occupancy);
  }

  /// Queues `task` by its urgency. Any thread.
  void post(Urgency urgency, Task task);
  /// Runs the waiting tasks that are more urgent than `urgency`. Pool threads.
  void yield_to_more_urgent_than(Urgency urgency);

  /// runtime::offload() by urgency. At the deadline the caller gets Outage{timeout}, whatever
  /// `work` is still doing; a `work` that looks at its stop token ends soon after.
  template <class Work>
  asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> offload(
      Urgency urgency, runtime::Deadline deadline, Work work);
  /// As offload(), but `submit(task)` decides when the move-only `task()` runs on the pool.
  template <class Submit, class Work>
  asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> offload_by(
      Submit submit, runtime::Deadline deadline, Work work);

 private:
  static constexpr std::size_t levels = 3;

  void shutdown() override;
  Task take(std::size_t less_than);

  asio::thread_pool& pool_;
  std::mutex guard_;
  std::array<std::deque<Task>, levels> waiting_;
};

template <class Submit, class Work>
asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> CpuLane::offload_by(
    Submit submit, runtime::Deadline deadline, Work work) {
  if (deadline.at() == runtime::Clock::time_point::max())
    co_return co_await runtime::offload_by(pool_, std::move(submit), std::move(work));
  asio::steady_timer timer(co_await asio::this_coro::executor);
  try {
    co_return co_await runtime::offload_by(
        pool_, std::move(submit), std::move(work),
        asio::cancel_after(timer, deadline.left(), asio::use_awaitable));
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::operation_aborted || !deadline.passed()) throw;
  }
  throw Outage({Errc::timeout, "the model did not answer within the deadline"});
}

template <class Work>
asio::awaitable<std::invoke_result_t<Work&, std::stop_token>> CpuLane::offload(
    Urgency urgency, runtime::Deadline deadline, Work work) {
  auto submit = [this, urgency](auto task) {
    // std::function wants copies; the task cannot be copied.
    auto shared = std::make_shared<decltype(task)>(std::move(task));
    post(urgency, [shared] { (*shared)(); });
  };
  co_return co_await offload_by(std::move(submit), deadline, std::move(work));
}

}  // namespace memseal::model

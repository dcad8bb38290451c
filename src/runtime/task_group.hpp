#pragma once
// Structured concurrency: every task has a parent that waits for it.
#include "base/assert.hpp"
#include "runtime/condition.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <list>
#include <memory>
#include <utility>

namespace memseal::runtime {

/// Runs child coroutines on its executor. The first failure cancels the other children, and join()
/// returns only when all have ended.
/// REQUIRES: join() has returned before the group is destroyed (asserted).
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor)
      : executor_(std::move(executor)),
        children_(std::make_shared<Children>()),
        ended_(executor_) {}
  ~TaskGroup() { MEMSEAL_ASSERT(children_->empty()); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(asio::awaitable<void> child) {
    const auto signal = children_->emplace(children_->end());
    auto on_end = [this, signal](std::exception_ptr failure) {
      children_->erase(signal);
      if (failure && !cancelled_) {
        first_failure_ = failure;
        cancel();
      }
      ended_.notify_all();
    };
    asio::co_spawn(executor_, started(std::move(child)),
                   asio::bind_cancellation_slot(signal->slot(), std::move(on_end)));
    if (cancelled_) signal->emit(asio::cancellation_type::terminal);
  }

  /// Asks every child to end. May be called more than once, and by a child.
  void cancel() {
    if (std::exchange(cancelled_, true)) return;
    // Posted, so that no child is resumed inside its own call to cancel().
    asio::post(executor_, [children = children_] {
      for (auto& signal : *children) signal.emit(asio::cancellation_type::terminal);
    });
  }

  std::size_t size() const noexcept { return children_->size(); }

  /// Waits for all children; cancels them when the parent is cancelled; rethrows the first failure.
  asio::awaitable<void> join() {
    // Wait even when cancelled, because the children refer to the parent's frame.
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!children_->empty()) {
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) cancel();
      co_await ended_.wait_uncancelled();
    }
    if (first_failure_) std::rethrow_exception(std::exchange(first_failure_, nullptr));
  }

 private:
  // Post once before the child starts. A child that is cancelled before it first suspends would
  // otherwise throw out of io_context::run().
  static asio::awaitable<void> started(asio::awaitable<void> child) {
    co_await asio::post(asio::use_awaitable);
    co_await std::move(child);
  }

  using Children = std::list<asio::cancellation_signal>;

  asio::any_io_executor executor_;
  std::shared_ptr<Children> children_;  // A posted cancel() may run after the group is destroyed.
  std::exception_ptr first_failure_;
  bool cancelled_ = false;
  Condition ended_;
};

}  // namespace memseal::runtime

#include "adapters/model/schedule/priority_pool.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace memseal::model {

namespace {

constexpr std::size_t threads_with_reserve = 4, threads_a_reserved_one = 8;
constexpr auto chunks_level = static_cast<std::size_t>(Urgency::chunks);

}  // namespace

std::size_t PriorityPool::chunk_threads() const noexcept {
  const auto all = threads();
  if (all < threads_with_reserve) return all;
  const auto now = runtime::Clock::now().time_since_epoch().count();
  if (now >= reserved_until_.load(std::memory_order_relaxed)) return all;
  return all - std::max<std::size_t>(1, all / threads_a_reserved_one);
}

bool PriorityPool::is_crowded(Urgency urgency) const noexcept {
  return urgency == Urgency::chunks &&
         chunk_tasks_.load(std::memory_order_relaxed) > chunk_threads();
}

void PriorityPool::post(Urgency urgency, Task task) {
  if (urgency != Urgency::chunks) {
    const auto until = runtime::Clock::now() + reserve_for_;
    reserved_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
  }
  {
    const std::lock_guard lock(guard_);
    waiting_[static_cast<std::size_t>(urgency)].push_back(std::move(task));
  }
  add_ticket();
}

// The pool gets one ticket for each task. A ticket runs the task that is the most urgent when a
// thread is free, or nothing if a running batch has run the last one in between.
void PriorityPool::add_ticket() {
  asio::post(threads_, [this] { run_next(); });
}

void PriorityPool::run_next() {
  bool is_chunks = false;
  auto task = take(levels, is_chunks);
  if (!task) return;
  task();
  if (is_chunks) chunks_ended();
}

// A ticket that found chunks, but no thread for them, is made up for here. There is always a task
// that ends, because chunks are kept waiting only while others run.
void PriorityPool::chunks_ended() {
  std::size_t tickets = 0;
  {
    const std::lock_guard lock(guard_);
    const auto running = chunk_tasks_.fetch_sub(1, std::memory_order_relaxed) - 1;
    const auto most = chunk_threads();
    if (running < most) tickets = std::min(waiting_[chunks_level].size(), most - running);
  }
  for (; tickets > 0; --tickets) add_ticket();
}

// Runs on the caller's stack. The depth is bounded, because a task yields to more urgent ones only.
// The lock is not held meanwhile, so a task may post others.
void PriorityPool::yield_to_more_urgent_than(Urgency urgency) {
  bool is_chunks = false;
  while (auto task = take(static_cast<std::size_t>(urgency), is_chunks)) task();
}

PriorityPool::Task PriorityPool::take(std::size_t less_than, bool& is_chunks) {
  const std::lock_guard lock(guard_);
  for (std::size_t level = 0; level < less_than; ++level) {
    if (waiting_[level].empty()) continue;
    if (level == chunks_level) {
      if (chunk_tasks_.load(std::memory_order_relaxed) >= chunk_threads()) return {};
      chunk_tasks_.fetch_add(1, std::memory_order_relaxed);
      is_chunks = true;
    }
    auto task = std::move(waiting_[level].front());
    waiting_[level].pop_front();
    return task;
  }
  return {};
}

}  // namespace memseal::model

#include "adapters/model/schedule/priority_pool.hpp"

#include <boost/asio/post.hpp>

namespace memseal::model {

void PriorityPool::post(Urgency urgency, Task task) {
  {
    const std::lock_guard lock(guard_);
    waiting_[static_cast<std::size_t>(urgency)].push_back(std::move(task));
  }
  // The pool gets one ticket for each task. A ticket runs the task that is the most urgent when a
  // thread is free, or nothing if a running batch has run the last one in between.
  asio::post(threads_, [this] {
    if (auto task = take(levels)) task();
  });
}

// Runs on the caller's stack. The depth is bounded, because a task yields to more urgent ones only.
// The lock is not held meanwhile, so a task may post others.
void PriorityPool::yield_to_more_urgent_than(Urgency urgency) {
  while (auto task = take(static_cast<std::size_t>(urgency))) task();
}

PriorityPool::Task PriorityPool::take(std::size_t less_than) {
  const std::lock_guard lock(guard_);
  for (std::size_t level = 0; level < less_than; ++level) {
    if (waiting_[level].empty()) continue;
    auto task = std::move(waiting_[level].front());
    waiting_[level].pop_front();
    return task;
  }
  return {};
}

}  // namespace memseal::model

#include "adapters/model/schedule/priority_pool.hpp"

#include <boost/asio/post.hpp>

namespace memseal::model {

void CpuLane::post(Urgency urgency, Task task) {
  {
    const std::lock_guard lock(guard_);
    waiting_[static_cast<std::size_t>(urgency)].push_back(std::move(task));
  }
  // One ticket a task; what a ticket runs is the most urgent task then, or none when a running
  // batch took it up before.
  asio::post(pool_, [this] {
    if (auto task = take(levels)) task();
  });
}

void CpuLane::yield_to_more_urgent_than(Urgency urgency) {
  while (auto task = take(static_cast<std::size_t>(urgency))) task();
}

CpuLane::Task CpuLane::take(std::size_t less_than) {
  const std::lock_guard lock(guard_);
  for (std::size_t level = 0; level < less_than; ++level) {
    if (waiting_[level].empty()) continue;
    auto task = std::move(waiting_[level].front());
    waiting_[level].pop_front();
    return task;
  }
  return {};
}

void CpuLane::shutdown() {
  decltype(waiting_) dropped;
  const std::lock_guard lock(guard_);
  dropped.swap(waiting_);
}

}  // namespace memseal::model

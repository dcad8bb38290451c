#pragma once
#include "adapters/model/schedule/priority_pool.hpp"

#include <cstddef>
#include <functional>

namespace memseal::model {

/// Calls `work(0)` … `work(count - 1)`, the caller's thread and free threads of the lane's pool
/// side by side; returns when no call is running any more. False when a call said so: the rest is
/// left out. Rethrows the first exception. A helper that comes too late finds nothing to do, so a
/// busy pool costs time but never a deadlock. `work` is copied and must own what it touches.
bool run_in_parallel(CpuLane& lane, Urgency urgency, std::size_t count,
                     std::function<bool(std::size_t)> work);

}  // namespace memseal::model

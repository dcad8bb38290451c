#pragma once
#include "adapters/model/schedule/priority_pool.hpp"

#include <cstddef>
#include <functional>

namespace memseal::model {

/// Calls `work(0)` … `work(count - 1)` on this thread and on free threads of the pool. Returns when
/// no call is running any more.
/// False when a call returned false: the calls that had not started are left out. Rethrows the
/// first exception.
/// A pool thread that comes late finds nothing to do, so a busy pool costs time but cannot
/// deadlock. Pool threads leave the rest to this one where the pool is crowded.
/// REQUIRES: `work` owns what it reads, because a late thread holds a copy.
bool run_in_parallel(PriorityPool& pool, Urgency urgency, std::size_t count,
                     std::function<bool(std::size_t)> work);

}  // namespace memseal::model

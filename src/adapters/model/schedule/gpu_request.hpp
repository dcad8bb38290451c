#pragma once
// One request on its way over the GPU, as a coroutine sees it.
#include "adapters/model/encoder/encoder.hpp"
#include "adapters/model/gpu/hosted_model.hpp"
#include "adapters/model/schedule/priority_pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

namespace memseal::model {

struct DeviceAnswer {
  std::vector<float> values;
  bool failed = false;             ///< the GPU is off or failed: the CPU has its turn
};

/// Makes the model's input on a thread of the pool. The token asks to stop when nobody waits any
/// more; what it throws reaches the caller.
using MakeBatch = std::function<PackedBatch(std::stop_token)>;

/// Makes a batch by `urgency` and has the GPU compute it, chunks after all else. The caller resumes
/// on its own executor when the GPU is done; no thread waits meanwhile. At the deadline it gets
/// Outage{timeout}, and a batch whose turn did not come by then is dropped.
asio::awaitable<DeviceAnswer> ask_device(CpuLane& lane, std::shared_ptr<DeviceSeat> seat,
                                         Urgency urgency, runtime::Deadline deadline,
                                         MakeBatch make);

}  // namespace memseal::model

#pragma once
// One request to the GPU, as a coroutine sees it.
#include "adapters/model/encoder/encoder.hpp"
#include "adapters/model/gpu/hosted_model.hpp"
#include "adapters/model/schedule/priority_pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

namespace memseal::model {

/// Makes the model's input on a thread of the pool. The token asks to stop once no caller waits for
/// the answer. What it throws reaches the caller.
using MakeBatch = std::function<PackedBatch(std::stop_token)>;

/// Makes a batch by `urgency` and lets the GPU compute it, chunks after all else. No thread waits
/// meanwhile; the caller resumes on its own executor.
/// Nothing when the CPU must answer: the model is off, the GPU failed, or a number is not finite.
/// Throws Outage{timeout} at the deadline; a batch that has not started by then is dropped.
/// Lifetime: `hosted` refers to a member of an object that outlives the call.
asio::awaitable<std::optional<std::vector<float>>> try_gpu(
    PriorityPool& pool, const std::shared_ptr<HostedModel>& hosted, Urgency urgency,
    runtime::Deadline deadline, MakeBatch make);

}  // namespace memseal::model

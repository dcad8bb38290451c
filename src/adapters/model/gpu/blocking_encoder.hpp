#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/encoder/encoder.hpp"

#include "memseal/kernels/engine.hpp"

#include <cstddef>
#include <memory>

namespace memseal::model {

/// Makes an encoder on a GPU whose callers wait for it: for tools and tests.
/// `should_continue` is asked once, before the GPU starts, because a running call cannot be
/// interrupted. Calls of several threads share batches. A call that fails throws
/// Outage{unavailable}.
/// Throws DeviceError. Lifetime: `tensors` are read here only.
std::unique_ptr<Encoder> make_blocking_encoder(const BertConfig& config, const BertTensors& tensors,
                                               std::size_t tokens_max,
                                               std::shared_ptr<kernels::Device> device,
                                               const kernels::EngineOptions& options = {});

}  // namespace memseal::model

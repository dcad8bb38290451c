#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/encoder/encoder.hpp"

#include "memseal/kernels/engine.hpp"

#include <cstddef>
#include <memory>

namespace memseal::model {

/// A BERT on a GPU, whose caller waits for it: for tools and tests. A call is not interrupted;
/// `go_on` is asked before it. Calls of several threads share batches. Throws DeviceError here, and
/// Outage{unavailable} when a call fails. `tensors` are read here only.
std::unique_ptr<Encoder> make_device_encoder(const BertConfig& config, const BertTensors& tensors,
                                             std::size_t tokens_max,
                                             std::shared_ptr<kernels::Device> device,
                                             const kernels::EngineOptions& options = {});

}  // namespace memseal::model

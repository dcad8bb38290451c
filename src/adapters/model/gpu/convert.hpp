#pragma once
// Converts between a checkpoint and what the kernels read.
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/encoder/encoder.hpp"

#include "memseal/kernels/engine.hpp"

#include <cstddef>
#include <string>

namespace memseal::model {

/// `tokens_max`: the longest sequence that a request may have, specials included.
kernels::Shape shape_of(const BertConfig& config, std::size_t tokens_max);

/// Reads the parts that `shape` needs. Lifetime: `tensors` outlive the returned function.
kernels::ReadPart reader_of(const BertTensors& tensors, const kernels::Shape& shape);

kernels::Batch to_kernels(PackedBatch batch);

/// E.g. "NVIDIA H200 sm_90".
std::string isa_of(const kernels::DeviceInfo& device);

/// E.g. "NVIDIA H200, 139.8 GiB (138.9 free), compute capability 9.0, driver 13.0, CUDA 13.0".
std::string describe(const kernels::DeviceInfo& device);

}  // namespace memseal::model

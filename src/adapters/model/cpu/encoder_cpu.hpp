#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/cpu/vector_ops.hpp"
#include "adapters/model/encoder/encoder.hpp"
#include "adapters/model/factory.hpp"

#include <memory>

namespace memseal::model {

/// One core a call: dense layers by oneDNN in `precision`, the rest in fp32 by `kernels`.
/// Sequences run in groups that fit the second-level cache, each group through all layers; a
/// cross-encoder's last layer computes keys and values for all tokens and the rest for [CLS] only.
/// `tensors.words`, `positions` and `types` are read during calls: their file stays mapped as long
/// as the encoder lives. All else is packed here.
std::unique_ptr<Encoder> make_cpu_encoder(const BertConfig& config, const BertTensors& tensors,
                                          const Kernels& kernels = best_kernels(),
                                          Precision precision = Precision::fp32);

}  // namespace memseal::model

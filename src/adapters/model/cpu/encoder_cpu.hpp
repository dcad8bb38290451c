#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/cpu/int8_ops.hpp"
#include "adapters/model/cpu/vector_ops.hpp"
#include "adapters/model/encoder/encoder.hpp"
#include "adapters/model/encoder/load_options.hpp"

#include <memory>

namespace memseal::model {

/// Makes an encoder that uses one core in each call: dense layers in `precision` by oneDNN (by
/// `int8` in 8 bits), the rest in fp32 by `ops`. REQUIRES: `int8` is not null for Precision::int8.
/// Sequences run in groups that fit the second-level cache, each group through all layers. The last
/// layer of a cross-encoder computes keys and values for all tokens, and the rest for [CLS] only.
/// Lifetime: the file of `tensors.words` stays mapped as long as the encoder lives, because calls
/// read it. All else is packed here.
std::unique_ptr<Encoder> make_cpu_encoder(const BertConfig& config, const BertTensors& tensors,
                                          const VectorOps& ops = best_vector_ops(),
                                          Precision precision = Precision::fp32,
                                          const Int8Ops* int8 = fast_int8_ops());

}  // namespace memseal::model

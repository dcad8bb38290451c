#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/encoder/encoder.hpp"

#include <memory>

namespace memseal::model {

/// The oracle: the formulas of Devlin et al. (BERT, 2019) in double, loop by loop, without any
/// vector code. Copies the weights.
std::unique_ptr<Encoder> make_reference_encoder(const BertConfig& config,
                                                const BertTensors& tensors);

}  // namespace memseal::model

#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/safetensors.hpp"

#include "base/result.hpp"

#include <string_view>
#include <vector>

namespace memseal::model {

/// A dense layer as the file stores it: weight [out, in], bias [out].
struct DenseTensors {
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;
};

struct NormTensors {
  const Tensor* gain = nullptr;
  const Tensor* bias = nullptr;
};

struct LayerTensors {
  DenseTensors query, key, value, attention_out, intermediate, out;
  NormTensors attention_norm, out_norm;
};

/// The tensors of a BERT by their part, shapes checked. Points into a Safetensors.
struct BertTensors {
  const Tensor* words = nullptr;        ///< [vocabulary, hidden]
  const Tensor* positions = nullptr;    ///< [positions, hidden]
  const Tensor* types = nullptr;        ///< [token_types, hidden]
  NormTensors norm;
  std::vector<LayerTensors> layers;
  DenseTensors pooler, classifier;      ///< a cross-encoder's only; null otherwise
  std::size_t parameters = 0;           ///< numbers in all of them

  /// Takes names with and without "bert." and the old "gamma" and "beta"; ignores tensors it does
  /// not need. Errors: model_invalid, model_unsupported (number type), naming file and tensor.
  static Result<BertTensors> find(const Safetensors& file, const BertConfig& config,
                                  std::string_view file_name = "model.safetensors");
};

}  // namespace memseal::model

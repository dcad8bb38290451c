#pragma once
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/checkpoint/mapped_file.hpp"
#include "adapters/model/checkpoint/safetensors.hpp"
#include "adapters/model/encoder/encoder.hpp"

#include "adapters/model/factory.hpp"
#include "adapters/model/checkpoint/model_info.hpp"
#include "base/result.hpp"
#include "pure/text/wordpiece.hpp"

#include <filesystem>
#include <memory>

namespace memseal::model {

/// A model directory, read, checked and packed. Immutable: any number of threads at once.
struct LoadedModel {
  BertConfig config;
  text::WordPiece words;
  MappedFile weights;                  // Outlives what reads it: the encoder, a device's upload.
  Safetensors file;
  BertTensors tensors;                 // of `file`
  std::unique_ptr<Encoder> encoder;
  ModelInfo info;
};

/// Errors as load_embedder() and load_reranker(); `wanted` is what config.json must say.
Result<std::shared_ptr<const LoadedModel>> load_model(const std::filesystem::path& directory,
                                                      Architecture wanted,
                                                      const LoadOptions& options);

/// What config.json says the model is.
Result<Architecture> architecture_of(const std::filesystem::path& directory);

/// Everything that load_model() checks, of whichever architecture, without an encoder: `backend`
/// and `isa` stay empty.
Result<ModelInfo> describe_model(const std::filesystem::path& directory);

}  // namespace memseal::model

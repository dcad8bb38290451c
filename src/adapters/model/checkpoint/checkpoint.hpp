#pragma once
// Reads a Hugging Face directory: config.json, model.safetensors, vocab.txt (or tokenizer.json).
#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/checkpoint/mapped_file.hpp"
#include "adapters/model/checkpoint/model_info.hpp"
#include "adapters/model/checkpoint/safetensors.hpp"
#include "base/result.hpp"
#include "pure/text/wordpiece.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace memseal::model {

/// A model directory, read and checked. The weights are mapped, not copied.
/// Thread: immutable; any number of threads at once.
struct Checkpoint {
  BertConfig config;
  text::WordPiece tokenizer;
  MappedFile weights;   ///< Outlives what reads it: an encoder, an upload to a GPU.
  Safetensors file;     ///< points into `weights`
  BertTensors tensors;  ///< points into `file`
  ModelInfo info;       ///< `backend` and `isa` are empty until an encoder is made

  /// Reads every file and checks every tensor that is used.
  /// Errors, each naming the file and the fix: no_model (no such directory or file), model_invalid
  /// (damaged, or the files disagree), model_unsupported (sound, but this engine cannot compute it,
  /// or its architecture is not `wanted`).
  static Result<Checkpoint> read(const std::filesystem::path& directory, Architecture wanted);

  /// [CLS] ids… [SEP], cut on the right to info.tokens_max.
  std::vector<std::int32_t> sequence_of(std::span<const std::int32_t> token_ids) const;
};

/// What config.json says the model is. Errors: as Checkpoint::read().
Result<Architecture> architecture_of(const std::filesystem::path& directory);

/// Reads and checks a checkpoint of either architecture, and drops its pages from memory.
/// `backend` and `isa` stay empty. Errors: as Checkpoint::read().
Result<ModelInfo> describe_model(const std::filesystem::path& directory);

/// Reads only the tokenizer of a model directory. Errors: as Checkpoint::read().
Result<text::WordPiece> load_tokenizer(const std::filesystem::path& directory);

}  // namespace memseal::model

#pragma once
// A Hugging Face directory in the form that the engine needs, read by memseal's own readers and
// without a CPU encoder.
#include "memseal/kernels/engine.hpp"
#include "pure/text/wordpiece.hpp"

#include "adapters/model/checkpoint/bert_config.hpp"
#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/checkpoint/mapped_file.hpp"
#include "adapters/model/checkpoint/safetensors.hpp"

#include <filesystem>

namespace memseal::gpu_check {

struct ModelDirectory {
  model::BertConfig config;
  text::WordPiece words;
  model::MappedFile file;
  model::Safetensors weights;
  model::BertTensors tensors;  ///< points into `weights`

  /// Throws std::runtime_error with the reader's message.
  static ModelDirectory open(const std::filesystem::path& directory);

  kernels::Shape shape() const;
  /// The numbers of a part, as kernels::ReadPart.
  std::vector<float> read(kernels::Part part, std::size_t layer) const;
};

}  // namespace memseal::gpu_check

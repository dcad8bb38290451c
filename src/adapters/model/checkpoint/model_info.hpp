#pragma once
#include <cstddef>
#include <string>

namespace memseal::model {

/// Describes a model and what computes it: for `memseal doctor`, logs and benchmarks.
struct ModelInfo {
  std::string name;              ///< the directory's name
  std::string architecture;      ///< "BertModel" or "BertForSequenceClassification"
  std::string backend;           ///< "cpu", "cuda" or "reference"
  std::string isa;               ///< e.g. "avx512", "avx2", "baseline": chosen at run time
  std::size_t layers = 0;
  std::size_t hidden = 0;        ///< width of a token's state; an embedder's dimension
  std::size_t heads = 0;
  std::size_t parameters = 0;    ///< numbers in the tensors that are used
  std::size_t tokens_max = 0;    ///< of one input, special tokens included
  std::size_t vocabulary = 0;

  /// One line, e.g. "all-MiniLM-L6-v2: BertModel, 6 layers x 384, 22.6 M parameters, cpu/avx512".
  std::string describe() const;
};

}  // namespace memseal::model

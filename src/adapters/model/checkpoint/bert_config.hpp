#pragma once
#include "base/result.hpp"

#include <cstddef>
#include <string_view>

namespace memseal::model {

enum class Architecture { encoder, cross_encoder };

std::string_view architecture_name(Architecture architecture) noexcept;

/// What config.json says of a BERT that this engine computes: erf-GELU, absolute positions.
struct BertConfig {
  Architecture architecture = Architecture::encoder;
  std::size_t hidden = 0;
  std::size_t layers = 0;
  std::size_t heads = 0;
  std::size_t intermediate = 0;
  std::size_t positions = 0;       ///< longest input, special tokens included
  std::size_t token_types = 2;
  std::size_t vocabulary = 0;      ///< rows of the word table
  double layer_norm_eps = 1e-12;

  std::size_t head_size() const noexcept { return hidden / heads; }

  /// Reads config.json. Sizes are never guessed: a missing one is an error.
  /// Errors: model_invalid, model_unsupported; the message begins with `file`.
  static Result<BertConfig> parse(std::string_view json, std::string_view file = "config.json");
};

/// Reads 1_Pooling/config.json: only the mean of all tokens is computed here.
Result<void> check_pooling(std::string_view json, std::string_view file);

/// Reads modules.json: anything between pooling and normalising is refused.
Result<void> check_modules(std::string_view json, std::string_view file);

/// Reads sentence_bert_config.json; 0 when it does not limit the length.
Result<std::size_t> parse_max_seq_length(std::string_view json, std::string_view file);

/// Reads tokenizer_config.json: only the uncased BERT tokenizer is ours.
Result<void> check_tokenizer_config(std::string_view json, std::string_view file);

}  // namespace memseal::model

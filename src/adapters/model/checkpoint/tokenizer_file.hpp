#pragma once
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace memseal::model {

/// The vocabulary of a tokenizer.json as the lines of a vocab.txt, after checking that the file
/// describes the uncased BERT tokenizer. Errors: model_invalid, model_unsupported.
Result<std::string> vocabulary_of_tokenizer(std::string_view json,
                                            std::string_view file = "tokenizer.json");

/// Only checks the tokenizer, for a directory whose vocabulary is in vocab.txt.
Result<void> check_tokenizer(std::string_view json, std::string_view file = "tokenizer.json");

}  // namespace memseal::model

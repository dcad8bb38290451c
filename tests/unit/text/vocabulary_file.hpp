#pragma once
#include "pure/text/wordpiece.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace memseal::text::testing {

inline constexpr const char* no_vocabulary =
    "needs BERT's uncased vocabulary: set MEMSEAL_TEST_VOCAB to a vocab.txt, or run scripts/deps";

/// Where BERT's uncased vocabulary lies, if it is here at all.
inline std::optional<std::filesystem::path> vocabulary_path() {
  const std::filesystem::path source = MEMSEAL_SOURCE_DIR;
  const char* given = std::getenv("MEMSEAL_TEST_VOCAB");
  for (const auto& path : {std::filesystem::path(given ? given : ""),
                           source / "../shared/data/bert-base-uncased-vocab.txt",
                           source / ".deps/models/all-MiniLM-L6-v2/vocab.txt"}) {
    if (std::filesystem::is_regular_file(path)) return path;
  }
  return std::nullopt;
}

inline std::string file_content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// BERT's own tokenizer, made once; null when its vocabulary is not here.
inline const WordPiece* bert() {
  static const auto words = []() -> std::optional<WordPiece> {
    const auto path = vocabulary_path();
    if (!path) return std::nullopt;
    return WordPiece::from_vocabulary(file_content(*path)).value();
  }();
  return words ? &*words : nullptr;
}

}  // namespace memseal::text::testing

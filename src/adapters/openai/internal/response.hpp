#pragma once
#include "base/result.hpp"
#include "ports/embedder.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace memseal::openai {

inline constexpr std::size_t dimension_max = 16'000;  // what a pgvector column holds

/// Bytes that an answer of `count` vectors may have; `dimension` 0: not known yet.
constexpr std::size_t answer_bytes_max(std::size_t count, std::size_t dimension) {
  return 65'536 + count * (dimension == 0 ? dimension_max : dimension) * 32;
}

/// Reads {"data": [{"index", "embedding": […]}, …]} strictly: `count` vectors, each index once and
/// put into its place, each of `dimension` numbers (0: as many as the first has), all finite, none
/// of length 0. The vectors come back with L2 norm 1. Other fields are ignored.
/// Errors: unavailable; the message is a clause that quotes nothing of `body`.
Result<std::vector<ports::Embedding>> parse_embeddings(std::string_view body, std::size_t count,
                                                       std::size_t dimension);

}  // namespace memseal::openai

#pragma once
#include "base/result.hpp"
#include "ports/embedder.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace memseal::openai {

inline constexpr std::size_t dimension_max = 16'000;  // what a pgvector column holds

/// Bytes that an answer of `count` vectors may have: 32 for each number, and room for the rest.
/// `dimension` 0: not known yet.
constexpr std::size_t answer_bytes_max(std::size_t count, std::size_t dimension) {
  return 65'536 + count * (dimension == 0 ? dimension_max : dimension) * 32;
}

/// Reads {"data": [{"index", "embedding": […]}, …]} strictly: `count` vectors, each index once,
/// each vector of `dimension` finite numbers (0: as many as the first has), none of length 0. Other
/// fields are ignored.
/// Returns the vectors in the order of their indices, scaled to L2 norm 1.
/// Errors: unavailable. The message is a clause that quotes nothing of `body`.
Result<std::vector<ports::Embedding>> parse_embeddings(std::string_view body, std::size_t count,
                                                       std::size_t dimension);

}  // namespace memseal::openai

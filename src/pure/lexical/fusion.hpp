#pragma once
// Two orders made one.
#include <cstddef>
#include <span>
#include <vector>

namespace memseal::lexical {

/// What two searches say of one candidate; greater is better.
struct Fusable {
  float dense = 0, lexical = 0;
};

/// The convex sum of both scores, in the order of `candidates`. Each score is spread over 0 … 1
/// between the least and the greatest of its `best` best; what is less counts as 0, and so does a
/// score that is the same for all. `dense_weight`: 0 … 1, the rest is that of the other score.
std::vector<float> fused(std::span<const Fusable> candidates, std::size_t best,
                         float dense_weight);

}  // namespace memseal::lexical

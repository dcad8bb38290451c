#include "pure/lexical/fusion.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace memseal::lexical {

namespace {

/// Spreads a score between the least and the greatest of the `best` best ones.
class Spread {
 public:
  Spread(std::span<const Fusable> candidates, float Fusable::*score, std::size_t best) {
    std::vector<float> scores;
    // The distance of a vector of zeros is no number.
    for (const auto& one : candidates)
      if (std::isfinite(one.*score)) scores.push_back(one.*score);
    if (scores.empty() || best == 0) return;
    const auto place = std::min(best, scores.size()) - 1;
    const auto last = scores.begin() + static_cast<std::ptrdiff_t>(place);
    std::nth_element(scores.begin(), last, scores.end(), std::greater<>());
    least_ = *last;
    greatest_ = *std::max_element(scores.begin(), last + 1);
  }
  float of(float score) const {
    if (!(greatest_ > least_) || !std::isfinite(score)) return 0;
    return std::max(0.0f, (score - least_) / (greatest_ - least_));
  }

 private:
  float least_ = 0, greatest_ = 0;
};

}  // namespace

std::vector<float> fused(std::span<const Fusable> candidates, std::size_t best,
                         float dense_weight) {
  const Spread dense(candidates, &Fusable::dense, best);
  const Spread lexical(candidates, &Fusable::lexical, best);
  std::vector<float> sums;
  sums.reserve(candidates.size());
  for (const auto& one : candidates)
    sums.push_back(dense_weight * dense.of(one.dense) +
                   (1 - dense_weight) * lexical.of(one.lexical));
  return sums;
}

}  // namespace memseal::lexical

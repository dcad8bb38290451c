#include "runtime/histogram_summary.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::runtime {

// Interpolates linearly inside one bucket, as histogram_quantile() of Prometheus does. If the rank
// lies in the open bucket, the answer is the greatest finite edge.
std::optional<double> quantile(const Histogram& histogram, double q) {
  const auto seen = histogram.Collect().histogram;
  if (seen.sample_count == 0) return std::nullopt;
  const auto rank = q * static_cast<double>(seen.sample_count);
  double edge = 0, below = 0;  // of the buckets before
  for (const auto& bucket : seen.bucket) {
    const auto here = static_cast<double>(bucket.cumulative_count);
    if (std::isinf(bucket.upper_bound)) break;  // The open bucket has no edge to interpolate to.
    // An empty bucket is skipped: it would divide by zero.
    if (here >= rank && here > below)
      return edge + (bucket.upper_bound - edge) * std::max(rank - below, 0.0) / (here - below);
    edge = bucket.upper_bound;
    below = here;
  }
  return edge;
}

Observed observed(const Histogram& histogram) {
  const auto seen = histogram.Collect().histogram;
  if (seen.sample_count == 0) return {};
  return {seen.sample_count, seen.sample_sum / static_cast<double>(seen.sample_count)};
}

}  // namespace memseal::runtime

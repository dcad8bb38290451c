#pragma once
// Figures read out of a histogram of this process.
#include "runtime/metrics.hpp"

#include <cstdint>
#include <optional>

namespace memseal::runtime {

/// The value below which a share `q` (0 to 1) of the observations lies. Interpolates linearly
/// inside a bucket, as Prometheus's histogram_quantile() does; at most the last finite edge.
/// Empty while there are no observations.
std::optional<double> quantile(const Histogram& histogram, double q);

/// Number of observations, and their mean (0 for none).
struct Observed {
  std::uint64_t count = 0;
  double mean = 0;
};
Observed observed(const Histogram& histogram);

}  // namespace memseal::runtime

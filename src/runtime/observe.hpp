#pragma once
// Durations in histograms, whose unit is the second.
#include "runtime/context.hpp"
#include "runtime/metrics.hpp"

#include <chrono>

namespace memseal::runtime {

inline void observe(Histogram& histogram, Clock::duration took) {
  histogram.Observe(std::chrono::duration<double>(took).count());
}

/// Observes the time from `start` until now, and returns it.
inline Clock::duration observe_since(Histogram& histogram, Clock::time_point start) {
  const auto took = Clock::now() - start;
  observe(histogram, took);
  return took;
}

}  // namespace memseal::runtime

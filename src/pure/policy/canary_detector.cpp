#include "pure/policy/canary_detector.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::policy {

namespace {

// The logarithm of a sum without terms. A finite number, because a file of JSON holds no infinity.
constexpr double no_term = -1e300;

/// ln(e^a + e^b).
double log_sum(double a, double b) {
  const auto [least, most] = std::minmax(a, b);
  return least > no_term / 2 ? most + std::log1p(std::exp(least - most)) : most;
}

}  // namespace

CanaryDetector::CanaryDetector(std::size_t alternatives, Rules rules)
    : rules_(rules),
      line_(std::log(tests_max / rules.false_alarms)),
      log_sums_(alternatives, no_term) {}

void CanaryDetector::see(double at_s, double samples, std::span<const double> log_ratios) {
  MEMSEAL_ASSERT(log_ratios.size() == log_sums_.size());
  const bool next = samples_ >= rules_.block_samples && at_s - block_began_s_ >= rules_.block_s;
  if (started_ == 0 || next) {
    started_ += 1;
    const double share = tests_max / 2 / started_;
    const double log_weight = share >= 1 ? 0 : 2 * std::log(share);
    for (auto& sum : log_sums_) sum = log_sum(sum, log_weight);
    samples_ = 0;
    block_began_s_ = at_s;
  }
  samples_ += samples;
  for (std::size_t i = 0; i < log_sums_.size(); ++i) log_sums_[i] += log_ratios[i];
}

double CanaryDetector::level() const noexcept {
  double sum = no_term;
  for (const double one : log_sums_) sum = log_sum(sum, one);
  return sum - std::log(static_cast<double>(log_sums_.size()));
}

bool CanaryDetector::calm() const noexcept { return level() <= std::log(tests_max); }

double CanaryDetector::evidence() const noexcept { return std::clamp(level() / line_, 0.0, 1.0); }

}  // namespace memseal::policy

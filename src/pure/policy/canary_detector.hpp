#pragma once
// A sequential test that may be looked at as often as one likes. Pure.
#include <cstddef>
#include <span>
#include <vector>

namespace memseal::policy {

/// A blocked Shiryaev-Roberts detector: a likelihood-ratio test that restarts with every block, so
/// that a fault which begins late is found as soon as one that was there from the start.
///
/// A block has at least `block_samples` samples and `block_s` seconds. The weights of the tests
/// that start add up to `tests_max` at most. So the sum of all tests, with what is not yet started,
/// is a non-negative supermartingale while the service is healthy. Ville's inequality bounds the
/// probability of a false breach by `false_alarms`, for any number of looks, any traffic and any
/// time at which one stops.
/// Thread: one at a time.
class CanaryDetector {
 public:
  struct Rules {
    double false_alarms = 0.003;
    double block_samples = 100, block_s = 10;
  };
  CanaryDetector(std::size_t alternatives, Rules rules);

  /// Takes one look: how many samples it has, and for each alternative the logarithm of the ratio
  /// of the look's likelihood under it to that of a healthy service. `at_s` never falls.
  void see(double at_s, double samples, std::span<const double> log_ratios);

  bool breached() const noexcept { return level() >= line_; }
  /// No fault is half proven: what a promotion needs.
  bool calm() const noexcept;
  /// 0 to 1; 1 is a breach.
  double evidence() const noexcept;

  /// Calls `number` with each number of the state, so that it can be kept and put back.
  template <class Number>
  void visit(Number&& number) {
    for (auto& one : log_sums_) number(one);
    for (auto* one : {&started_, &samples_, &block_began_s_}) number(*one);
  }

 private:
  static constexpr double tests_max = 1'000;
  double level() const noexcept;  // logarithm of the mean over the alternatives

  Rules rules_;
  double line_;
  std::vector<double> log_sums_;  // of the tests that have started; one for each alternative
  double started_ = 0;            // tests
  double samples_ = 0, block_began_s_ = 0;  // of the block
};

}  // namespace memseal::policy

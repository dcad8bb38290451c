#pragma once
// What a canary release is tested for. Each test takes looks, and may be asked after each. Pure.
#include "pure/policy/canary_detector.hpp"
#include "pure/policy/guardrail.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace memseal::policy {

/// Events of a kind that must not happen too often, such as event streams that were cut.
///
/// Healthy is a release that uses at most half of the limit; the alternatives are 2, 4, 10 and 40
/// times the limit. Between them evidence rises above the limit and falls below it: the limit is
/// the watershed of Wald's sequential probability ratio test.
class CanaryShareTest {
 public:
  CanaryShareTest(double limit, double false_alarms);

  void see(double at_s, const Share& share);
  bool breached() const noexcept { return detector_.breached(); }
  /// Whether the share is within its limit by `samples_min` samples, is proven with a certainty of
  /// 95 % to be below `excluded`, and no fault is half proven.
  bool passed(std::uint64_t samples_min, double excluded) const;

  double limit() const noexcept { return limit_; }
  double samples() const noexcept { return all_; }
  double value() const noexcept { return all_ > 0 ? bad_ / all_ : 0; }
  double evidence() const noexcept { return detector_.evidence(); }

  template <class Number>
  void visit(Number&& number) {
    number(bad_);
    number(all_);
    detector_.visit(number);
  }

 private:
  double limit_, healthy_;
  std::vector<double> alternatives_;
  CanaryDetector detector_;
  double bad_ = 0, all_ = 0;
};

/// The same events, compared with those of the stable release in the same looks. Given that one
/// happened, it is the canary's with odds that the traffic of both and the ratio of their rates
/// determine. Up to twice the rate is no regression.
class CanaryShareComparison {
 public:
  explicit CanaryShareComparison(double false_alarms);

  void see(double at_s, const Share& canary, const Share& stable);
  /// At least five events are needed: a single first one is chance.
  bool worse() const noexcept { return detector_.breached() && canary_bad_ >= 5; }
  bool calm() const noexcept { return detector_.calm(); }
  double evidence() const noexcept { return detector_.evidence(); }

  template <class Number>
  void visit(Number&& number) {
    number(canary_bad_);
    detector_.visit(number);
  }

 private:
  CanaryDetector detector_;
  double canary_bad_ = 0;
};

/// Latencies by bucket, compared with those of the stable release (Mann and Whitney's statistic:
/// the probability that the canary is the slower one, ties by half). Up to 0.60 is no regression,
/// which is about 16 % slower.
class CanaryLatencyComparison {
 public:
  explicit CanaryLatencyComparison(double false_alarms);

  /// Observations of one look in each bucket. Looks are joined until both releases have 12.
  void see(double at_s, std::span<const std::uint64_t> canary,
           std::span<const std::uint64_t> stable);
  bool worse() const noexcept { return detector_.breached(); }
  bool calm() const noexcept { return detector_.calm(); }
  double evidence() const noexcept { return detector_.evidence(); }
  /// Mean of the statistic over what was seen; 0.5 before that.
  double value() const noexcept { return value_; }

  template <class Number>
  void visit(Number&& number) {
    number(value_);
    number(seen_);
    detector_.visit(number);
  }

 private:
  CanaryDetector detector_;
  double value_ = 0.5, seen_ = 0;
  std::vector<std::uint64_t> canary_, stable_;  // looks that wait; a few, so they are not kept
};

/// Memory of a process: above 90 % of its limit at two looks in a row, or on a steady climb (Theil
/// and Sen's slope over 20 s, its lower decile above 0, 64 MiB at least) that meets the limit
/// within 10 minutes. What was seen is not kept over a restart of the controller.
class CanaryMemory {
 public:
  /// `limit_bytes` 0: nothing is judged.
  explicit CanaryMemory(double limit_bytes) : limit_(limit_bytes) {}

  void see(double at_s, double resident_bytes);
  bool breached() const noexcept { return breached_; }
  /// Share of the limit at the last look.
  double value() const noexcept { return value_; }

 private:
  bool climbs(double at_s) const;

  struct Look {
    double at_s, bytes;
  };
  double limit_, value_ = 0;
  std::deque<Look> looks_;
  int over_ = 0;
  bool breached_ = false;
};

}  // namespace memseal::policy

#pragma once
#include <chrono>

namespace memseal::policy {

/// Exponential backoff with full jitter: the n-th wait (from 0) is uniform in
/// [0, min(most, first · 2^n)), so that many waiters do not retry at the same moment.
/// Pure: the caller supplies the random number.
class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration first, Duration most) : first_(first), most_(most), ceiling_(first) {}

  /// The next wait; `unit` in [0, 1).
  Duration next(double unit);
  /// Call after a success: the next wait is short again.
  void reset() noexcept {
    ceiling_ = first_;
    failures_ = 0;
  }
  int failures() const noexcept { return failures_; }

 private:
  Duration first_, most_, ceiling_;
  int failures_ = 0;
};

}  // namespace memseal::policy

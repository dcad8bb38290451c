#pragma once
#include <algorithm>
#include <chrono>
#include <string>

namespace memseal::runtime {

using Clock = std::chrono::steady_clock;

/// A point in time by which work must be done. A value; a deadline derived from it is never later.
class Deadline {
 public:
  /// `budget` from now; never() when the clock cannot represent that time.
  static Deadline after(Clock::duration budget) {
    const auto now = Clock::now();
    if (budget > Clock::time_point::max() - now) return never();
    return Deadline(now + budget);
  }
  static Deadline never() { return Deadline(Clock::time_point::max()); }

  Clock::time_point at() const noexcept { return at_; }
  bool passed() const noexcept { return Clock::now() >= at_; }
  /// Time left, never negative.
  Clock::duration left() const noexcept {
    if (at_ == Clock::time_point::max()) return Clock::duration::max();
    return std::max(at_ - Clock::now(), Clock::duration::zero());
  }
  std::chrono::milliseconds left_ms() const noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(left());
  }
  /// The earlier of this deadline and `budget` from now.
  Deadline within(Clock::duration budget) const {
    return Deadline(std::min(at_, after(budget).at_));
  }

 private:
  explicit Deadline(Clock::time_point at) : at_(at) {}
  Clock::time_point at_;
};

/// Identity and deadline of one request or one batch. Always the first parameter.
struct RequestContext {
  std::string id;  ///< request id or batch id, as logs show it
  Deadline deadline = Deadline::never();

  RequestContext within(Clock::duration budget) const { return {id, deadline.within(budget)}; }
};

}  // namespace memseal::runtime

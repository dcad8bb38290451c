#pragma once
// A circuit breaker: stops calls to a dependency that is slow or fails.
#include "base/limits.hpp"

#include <chrono>
#include <string_view>

namespace memseal::policy {

struct BreakerRules {
  int failures_max = 3;  ///< bad calls in a row that open the breaker
  std::chrono::milliseconds slow = limits::rerank_budget;  ///< a longer call counts as bad
  std::chrono::milliseconds cool_down{30'000};  ///< how long the breaker stays open before a probe
};

enum class BreakerState {
  closed,     ///< every call may go
  open,       ///< no call may go, until the cool-down is over
  half_open,  ///< one call may go, the probe; its outcome closes or opens the breaker
};

/// "closed", "open" or "half_open".
std::string_view breaker_state_name(BreakerState state) noexcept;

/// closed -> open after failures_max bad calls in a row; open -> half-open after the cool-down;
/// half-open -> closed after one good call, -> open after a bad one.
/// Pure: time is an argument, of one steady clock. Thread: one executor.
class Breaker {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  explicit Breaker(BreakerRules rules = {}) : rules_(rules) {}

  /// Whether a call may go now. While half-open, only the first caller gets true.
  /// REQUIRES: after true, the caller calls record() or forget(). A probe that does neither within
  /// a cool-down counts as lost, and the next caller becomes the probe.
  bool allows(TimePoint now);
  /// Records the outcome of a call. The call is good when it succeeded within `rules.slow`.
  void record(TimePoint now, Duration took, bool succeeded = true);
  /// The call says nothing about the dependency, because its caller was cancelled. Another probe
  /// may go.
  void forget() noexcept { probing_ = false; }

  BreakerState state(TimePoint now) const noexcept;

 private:
  BreakerRules rules_;
  int bad_in_a_row_ = 0;
  bool tripped_ = false, probing_ = false;
  TimePoint open_until_{}, probing_since_{};
};

}  // namespace memseal::policy

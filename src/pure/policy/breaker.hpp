#pragma once
// Keeps calls away from something that is slow or failing.
#include <chrono>
#include <string_view>

namespace memseal::policy {

struct BreakerRules {
  int failures_max = 3;                         ///< bad calls in a row that open it
  std::chrono::milliseconds slow{250};          ///< a call that took longer is a bad one
  std::chrono::milliseconds cool_down{30'000};  ///< open for so long before a probe
};

enum class BreakerState {
  closed,     ///< calls go through
  open,       ///< none does: the last ones in a row were bad, and the cool-down is not over
  half_open,  ///< one does, the probe; what becomes of it decides
};

/// "closed", "open" or "half_open".
std::string_view breaker_state_name(BreakerState state) noexcept;

/// closed -> open after failures_max bad calls in a row; open -> half-open after the cool-down;
/// half-open -> closed after one good call, -> open after a bad one. Pure: time is an argument,
/// of one steady clock. Not synchronised: one executor.
class Breaker {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  explicit Breaker(BreakerRules rules = {}) : rules_(rules) {}

  /// Whether a call may go now. While half-open only the first asker may; whoever is told yes
  /// calls record() or forget() afterwards. A probe that does neither within a cool-down is taken
  /// for lost, and the next asker is the probe.
  bool allows(TimePoint now);
  /// What became of a call: good when it succeeded within `rules.slow`.
  void record(TimePoint now, Duration took, bool succeeded = true);
  /// The call ended without a verdict (its caller went away): a probe's place is free again.
  void forget() noexcept { probing_ = false; }

  BreakerState state(TimePoint now) const noexcept;

 private:
  BreakerRules rules_;
  int bad_in_a_row_ = 0;
  bool tripped_ = false, probing_ = false;
  TimePoint open_until_{}, probing_since_{};
};

}  // namespace memseal::policy

#include "pure/policy/breaker.hpp"

namespace memseal::policy {

std::string_view breaker_state_name(BreakerState state) noexcept {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half_open";
  }
  return "closed";
}

// Half-open is not stored. It follows from the time, so the breaker needs no timer.
BreakerState Breaker::state(TimePoint now) const noexcept {
  if (!tripped_) return BreakerState::closed;
  return now < open_until_ ? BreakerState::open : BreakerState::half_open;
}

bool Breaker::allows(TimePoint now) {
  switch (state(now)) {
    case BreakerState::closed:
      return true;
    case BreakerState::open:
      return false;
    case BreakerState::half_open:
      break;
  }
  // A caller that dies without record() or forget() must not keep the breaker half-open for ever.
  // After a cool-down its probe counts as lost.
  if (probing_ && now - probing_since_ < rules_.cool_down) return false;
  probing_ = true;
  probing_since_ = now;
  return true;
}

void Breaker::record(TimePoint now, Duration took, bool succeeded) {
  const bool good = succeeded && took <= rules_.slow;
  // Ignore calls that began before the breaker opened, because they are not probes.
  if (state(now) == BreakerState::open) return;
  if (good) {
    bad_in_a_row_ = 0;
    tripped_ = probing_ = false;
    return;
  }
  // While half-open, one bad call is enough to open the breaker again.
  if (!tripped_ && ++bad_in_a_row_ < rules_.failures_max) return;
  tripped_ = true;
  probing_ = false;
  open_until_ = now + rules_.cool_down;
}

}  // namespace memseal::policy

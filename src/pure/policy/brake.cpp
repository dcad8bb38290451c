#include "pure/policy/brake.hpp"

#include <algorithm>

namespace memseal::policy {

void Brake::turn_window(TimePoint now) {
  if (now < window_ends_) return;
  // Only events that took effect end the row of holds: where each try takes long, a window without
  // a refusal shows nothing.
  if (refused_ == 0 && stored_ > 0) holds_in_a_row_ = 0;
  refused_ = stored_ = 0;
  window_ends_ = now + rules_.window;
}

bool Brake::too_many() const noexcept {
  if (refused_ >= rules_.refused_max) return true;
  // A share of few events says little, so it counts only from share_refused_min refusals on.
  // Multiplied out, because an integer division would round the share down.
  return refused_ >= rules_.share_refused_min &&
         refused_ * 100 >= rules_.share_percent * (refused_ + stored_);
}

void Brake::stored(TimePoint now) {
  turn_window(now);
  ++stored_;
}

bool Brake::refused(TimePoint now) {
  turn_window(now);
  ++refused_;
  if (!too_many()) return false;
  auto hold = rules_.hold_first;
  for (int i = 0; i < holds_in_a_row_ && hold < rules_.hold_max; ++i) hold *= 2;
  held_until_ = now + std::min(hold, rules_.hold_max);
  ++holds_in_a_row_;
  window_ends_ = held_until_;  // The first event after the hold begins a new window.
  return true;
}

Brake::Duration Brake::holds(TimePoint now) const noexcept {
  return std::max(held_until_ - now, Duration::zero());
}

}  // namespace memseal::policy

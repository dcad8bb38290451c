#pragma once
// Stops ingest from giving up many events in a short time, because then the cause is seldom the
// events: a wrong keyring, a model that fails on everything.
#include "base/limits.hpp"

#include <chrono>
#include <cstddef>

namespace memseal::policy {

struct BrakeRules {
  /// Events given up in one window that engage the brake.
  std::size_t refused_max = limits::brake_letters_max;
  /// Or this share of the window's events, if at least `share_refused_min` were given up.
  std::size_t share_percent = limits::brake_share_percent;
  std::size_t share_refused_min = limits::brake_share_letters_min;
  std::chrono::milliseconds window = limits::brake_window;
  /// Doubles with each hold in a row, up to `hold_max`.
  std::chrono::milliseconds hold_first = limits::brake_hold_first;
  std::chrono::milliseconds hold_max = limits::brake_hold_max;
};

/// Counts events in windows of fixed length and engages when too many of them were given up.
/// After a hold a new window begins. A window in which events were stored and none was given up
/// makes the next hold short again.
/// Pure: time is an argument, of one steady clock. Thread: one executor.
class Brake {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  explicit Brake(BrakeRules rules) : rules_(rules) {}

  /// An event took effect.
  void stored(TimePoint now);
  /// An event was given up. True: the brake engages with it.
  bool refused(TimePoint now);
  /// Time for which the brake still holds; zero: it does not.
  Duration holds(TimePoint now) const noexcept;

  std::size_t refused_in_window() const noexcept { return refused_; }
  std::size_t stored_in_window() const noexcept { return stored_; }

 private:
  void turn_window(TimePoint now);
  bool too_many() const noexcept;

  BrakeRules rules_;
  std::size_t refused_ = 0, stored_ = 0;
  int holds_in_a_row_ = 0;
  TimePoint window_ends_{}, held_until_{};
};

}  // namespace memseal::policy

#pragma once
// What the guard tells the metrics.
#include "pure/policy/guard_actions.hpp"
#include "runtime/metrics.hpp"

#include <array>
#include <string_view>

namespace memseal::guard {

/// References into Metrics, which must outlive them. One for the process.
/// Thread: any.
class GuardMetrics {
 public:
  explicit GuardMetrics(runtime::Metrics& metrics);

  /// memseal_guard_action_active{action=...}
  runtime::Gauge& active(policy::GuardAction action) { return *active_[index_of(action)]; }
  /// memseal_guard_action_wanted{action=...}
  runtime::Gauge& wanted(policy::GuardAction action) { return *wanted_[index_of(action)]; }
  /// memseal_guard_transitions_total: an action began or ended, in a mode and for a cause.
  void moved(policy::GuardAction action, bool begins, std::string_view mode,
             std::string_view cause);

 private:
  using Gauges = std::array<runtime::Gauge*, policy::all_guard_actions.size()>;

  runtime::Metrics& metrics_;
  Gauges active_{}, wanted_{};
};

}  // namespace memseal::guard

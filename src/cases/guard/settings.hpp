#pragma once
// What an operator may set of the guard.
#include "base/setting.hpp"
#include "pure/policy/guard_actions.hpp"
#include "pure/policy/guardrail.hpp"

#include <cstdint>
#include <string>

namespace memseal::guard {

/// Section `guard`.
struct Settings {
  std::string mode = "observe";      ///< see Mode
  std::string furthest = "unready";  ///< see policy::GuardAction
  std::int64_t interval_s = 5, window_s = 60;
  std::int64_t hold_s = whole(policy::GuardRules{}.hold_s);
  std::int64_t hold_max_s = whole(policy::GuardRules{}.hold_max_s);
  std::int64_t clean_windows = 3;
  std::int64_t slow_permille = whole(policy::GuardLimits{}.slow * 1'000);
  std::int64_t cut_permille = whole(policy::GuardLimits{}.cut * 1'000);
  std::int64_t errors_permille = whole(policy::GuardLimits{}.errors * 1'000);
  std::int64_t queries_min = static_cast<std::int64_t>(policy::GuardLimits{}.queries_min);
  std::int64_t streams_min = static_cast<std::int64_t>(policy::GuardLimits{}.streams_min);
  std::int64_t requests_min = static_cast<std::int64_t>(policy::GuardLimits{}.requests_min);
  std::string baseline_file;

  policy::GuardLimits limits() const;
  static SettingRows<Settings> rows();

 private:
  /// The nearest whole number: 0.004 · 1'000 may lie below 4 in binary.
  static constexpr std::int64_t whole(double value) {
    return static_cast<std::int64_t>(value + 0.5);
  }
};

}  // namespace memseal::guard

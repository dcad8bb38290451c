#pragma once
// What an operator may set of the guard.
#include "base/setting.hpp"
#include "pure/policy/guardrail.hpp"

#include <cstdint>
#include <string>

namespace memseal::guard {

/// Section `guard`.
struct Settings {
  std::string mode = "observe";      ///< see Mode
  std::string furthest = "unready";  ///< see policy::GuardAction
  std::int64_t interval_s = 5, window_s = 60;
  std::int64_t hold_s = 120, hold_max_s = 3'600, clean_windows = 3;
  std::int64_t slow_permille = 50, cut_permille = 4, errors_permille = 5;
  std::int64_t queries_min = 200, streams_min = 2'500, requests_min = 2'000;
  std::string baseline_file;

  policy::GuardLimits limits() const;
  static SettingRows<Settings> rows();
};

}  // namespace memseal::guard

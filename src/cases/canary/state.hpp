#pragma once
// What a controller writes down, so that another one can go on after it.
#include "base/result.hpp"
#include "ports/traffic.hpp"
#include "pure/policy/canary_rollout.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace memseal::canary {

/// How a rollout stands or how it ended.
enum class Verdict { running, promoted, breach, inconclusive, refused, aborted };
/// "running", "promoted", "breach", "inconclusive", "refused" or "aborted".
std::string_view verdict_name(Verdict verdict) noexcept;

struct State {
  std::string rollout;  ///< ports::TrafficState::rollout
  Verdict verdict = Verdict::running;
  ports::Slot canary = ports::Slot::b;
  std::string proxy;                                 ///< address of its runtime API
  std::vector<std::string> stable_urls, canary_urls;  ///< of the admin listeners
  policy::CanaryPlan plan;
  double every_s = 2, lease_s = 15;
  bool smoked = false;  ///< users may come: a rollout goes on from here only
  std::vector<double> judged, stable_seen, canary_seen;  ///< CanaryRollout, ReleaseWatch
};

/// One line of JSON.
std::string print_state(const State& state);
/// Error: bad_config, a clause that says what is wrong. The text comes from a file.
Result<State> parse_state(std::string_view text);

/// Whether stages rise to 100, and every time and number is one that a rollout can have.
/// Returns a clause that says what is wrong; empty: nothing.
std::string why_unfit(const State& state);

}  // namespace memseal::canary

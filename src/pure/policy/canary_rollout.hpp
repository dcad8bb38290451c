#pragma once
// The stages of a rollout: which share of the users a canary release gets, and when. Pure.
#include "pure/policy/canary_judge.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace memseal::policy {

struct CanaryStage {
  int percent = 0;                ///< of the users, 1 to 100
  double min_s = 0, max_s = 0;    ///< how long the stage lasts at least and at most
  std::uint64_t samples_min = 0;  ///< of each share, since the rollout began

  friend bool operator==(const CanaryStage&, const CanaryStage&) = default;
};

struct CanaryPlan {
  std::vector<CanaryStage> stages;  ///< of rising shares, the last one 100
  double settle_s = 0;  ///< from the start on latency and memory do not count: caches are cold
  CanaryLimits limits;
};

/// What a look leads to.
enum class CanaryStep {
  stay,
  advance,    ///< the next stage begins
  promote,    ///< the last stage has passed
  roll_back,  ///< a promise is broken
  give_up,    ///< a stage has lasted as long as it may, and nothing is proven
};
/// "stay", "advance", "promote", "roll_back" or "give_up".
std::string_view canary_step_name(CanaryStep step) noexcept;

/// Takes looks until one ends the rollout.
/// A breach ends it at once. A stage passes when it lasted `min_s`, both releases were read at this
/// look, and what canary_gate() asks of the stage is proven.
/// REQUIRES: plan.stages is not empty.
/// Thread: one at a time.
class CanaryRollout {
 public:
  explicit CanaryRollout(CanaryPlan plan);

  /// `look.warm` is set here. REQUIRES: no look before ended the rollout.
  CanaryStep see(CanaryLook look);

  const CanaryPlan& plan() const noexcept { return plan_; }
  std::size_t stage() const noexcept { return static_cast<std::size_t>(stage_); }
  int percent() const noexcept { return plan_.stages[stage()].percent; }
  double seen_until_s() const noexcept { return seen_until_s_; }
  std::vector<Guardrail> guardrails() const { return judge_.guardrails(gate()); }
  std::vector<std::pair<std::string_view, double>> evidence() const { return judge_.evidence(); }

  /// Everything that a rollout which goes on in another process must know.
  std::vector<double> save();
  /// Puts it back. False, and an unusable rollout, where these are not the numbers of such a plan.
  bool restore(const std::vector<double>& numbers);

 private:
  CanaryGate gate() const;
  template <class Number>
  void visit(Number&& number) {
    for (auto* one : {&stage_, &stage_began_s_, &seen_until_s_}) number(*one);
    judge_.visit(number);
  }

  CanaryPlan plan_;
  CanaryJudge judge_;
  double stage_ = 0, stage_began_s_ = 0, seen_until_s_ = 0;
};

}  // namespace memseal::policy

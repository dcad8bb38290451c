#include "pure/policy/canary_rollout.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace memseal::policy {

std::string_view canary_step_name(CanaryStep step) noexcept {
  switch (step) {
    case CanaryStep::stay: return "stay";
    case CanaryStep::advance: return "advance";
    case CanaryStep::promote: return "promote";
    case CanaryStep::roll_back: return "roll_back";
    case CanaryStep::give_up: return "give_up";
  }
  return "roll_back";
}

CanaryRollout::CanaryRollout(CanaryPlan plan) : plan_(std::move(plan)), judge_(plan_.limits) {
  MEMSEAL_ASSERT(!plan_.stages.empty());
}

CanaryGate CanaryRollout::gate() const {
  auto gate = canary_gate(percent(), plan_.limits.shares);
  gate.samples_min = plan_.stages[stage()].samples_min;
  return gate;
}

CanaryStep CanaryRollout::see(CanaryLook look) {
  seen_until_s_ = look.at_s;
  look.warm = look.at_s >= plan_.settle_s;
  // At 100 % no user is left on stable who could be compared with.
  const bool both = look.canary && look.stable;
  if (percent() == 100) look.stable.reset();
  judge_.see(look);
  if (judge_.breached()) return CanaryStep::roll_back;
  const auto& stage_now = plan_.stages[stage()];
  const double lasted = look.at_s - stage_began_s_;
  if (lasted >= stage_now.min_s && both && judge_.passed(gate())) {
    if (stage() + 1 == plan_.stages.size()) return CanaryStep::promote;
    stage_ += 1;
    stage_began_s_ = look.at_s;
    return CanaryStep::advance;
  }
  return lasted >= stage_now.max_s ? CanaryStep::give_up : CanaryStep::stay;
}

std::vector<double> CanaryRollout::save() {
  std::vector<double> numbers;
  visit([&](double& number) { numbers.push_back(number); });
  return numbers;
}

bool CanaryRollout::restore(const std::vector<double>& numbers) {
  if (numbers.size() != save().size()) return false;
  if (!std::all_of(numbers.begin(), numbers.end(), [](double one) { return std::isfinite(one); }))
    return false;
  auto next = numbers.begin();
  visit([&](double& number) { number = *next++; });
  const auto last_stage = static_cast<double>(plan_.stages.size() - 1);
  return stage_ >= 0 && stage_ <= last_stage && stage_ == std::floor(stage_) &&
         stage_began_s_ >= 0 && stage_began_s_ <= seen_until_s_;
}

}  // namespace memseal::policy

#include "pure/policy/guard_actions.hpp"

#include <algorithm>

namespace memseal::policy {

namespace {

// One bad window may be a restarted dependency; two in a row are a state.
constexpr int breaches_to_act = 2;

bool is_breach(const Guardrail& guardrail) {
  return guardrail.stops && guardrail.verdict == Verdict::breach;
}
bool is_bad(const Guardrail& guardrail) {
  return guardrail.stops && guardrail.verdict >= Verdict::warn;
}
bool is_breach_of_never(const Guardrail& guardrail) {
  return is_breach(guardrail) && has_zero_tolerance(guardrail);
}

GuardRules sound(GuardRules rules) {
  // Two settings of their own, so an operator can set them in the wrong order.
  rules.hold_max_s = std::max(rules.hold_max_s, rules.hold_s);
  return rules;
}

}  // namespace

std::string_view guard_action_name(GuardAction action) noexcept {
  switch (action) {
    case GuardAction::rerank_off:
      return "rerank_off";
    case GuardAction::ingest_paused:
      return "ingest_paused";
    case GuardAction::unready:
      return "unready";
  }
  return "unready";
}

std::optional<GuardAction> parse_guard_action(std::string_view name) noexcept {
  for (const auto action : all_guard_actions)
    if (guard_action_name(action) == name) return action;
  return std::nullopt;
}

GuardActions::GuardActions(GuardRules rules) : rules_(sound(rules)) {}

double GuardActions::held_for_s(GuardAction action, double at_s) const noexcept {
  if (!wants(action)) return 0;
  const auto& held = held_[index_of(action)];
  return std::max(0.0, held.begun_s + held.hold_s - at_s);
}

void GuardActions::begin_next(double at_s, const std::string& cause,
                              std::vector<GuardMove>& moves) {
  auto& held = held_[level_];
  // An action that has to come back soon was ended too early: doubling the hold keeps a service
  // from swinging between the two states.
  const bool again = at_s - held.ended_s < rules_.hold_max_s;
  held.hold_s = again ? std::min(2 * held.hold_s, rules_.hold_max_s) : rules_.hold_s;
  held.begun_s = at_s;
  moves.push_back({all_guard_actions[level_], true, cause});
  ++level_;
}

void GuardActions::end_last(double at_s, std::string_view cause, std::vector<GuardMove>& moves) {
  --level_;
  held_[level_].ended_s = at_s;
  moves.push_back({all_guard_actions[level_], false, std::string(cause)});
  if (level_ == 0) causes_.clear();
}

void GuardActions::note_causes(const GuardLook& look) {
  for (const auto& guardrail : look.recent)
    if (is_breach(guardrail) && std::ranges::find(causes_, guardrail.name) == causes_.end())
      causes_.emplace_back(guardrail.name);
}

bool GuardActions::may_end(const GuardLook& look) const {
  if (level_ == 0 || look.at_s - calm_since_s_ < rules_.calm_s) return false;
  const auto last = all_guard_actions[level_ - 1];
  if (held_for_s(last, look.at_s) > 0) return false;
  // Every guardrail that made an action begin must be kept again, with samples enough. Silence is
  // no proof, but for `unready`, whose own effect is silence.
  return std::ranges::all_of(causes_, [&](const std::string& cause) {
    const auto found = std::ranges::find(look.calm, std::string_view(cause), &Guardrail::name);
    if (found == look.calm.end()) return false;
    return found->verdict == Verdict::ok ||
           (last == GuardAction::unready && found->verdict == Verdict::inconclusive);
  });
}

std::vector<GuardMove> GuardActions::see(const GuardLook& look) {
  std::vector<GuardMove> moves;
  const auto worst = std::ranges::find_if(look.recent, is_breach);
  const auto never = std::ranges::find_if(look.recent, is_breach_of_never);
  const bool breached = worst != look.recent.end();
  const auto most = index_of(rules_.furthest) + 1;
  breaches_ = breached ? breaches_ + 1 : 0;
  if (breached && (level_ > 0 || breaches_ >= breaches_to_act || never != look.recent.end()))
    note_causes(look);

  if (never != look.recent.end()) {
    // Isolation is at stake. No milder action helps against that, so all are taken at once.
    while (level_ < most) begin_next(look.at_s, std::string(never->name), moves);
    held_[level_ - 1].begun_s = look.at_s;
    held_[level_ - 1].hold_s = rules_.hold_max_s;
  } else if (breaches_ >= breaches_to_act && level_ < most) {
    // The action before needs time to work before a harsher one is judged necessary.
    const bool settled = level_ == 0 || look.at_s - held_[level_ - 1].begun_s >= rules_.hold_s;
    if (settled) begin_next(look.at_s, std::string(worst->name), moves);
  }
  // What counts as calm begins again after a bad look, and so that what was counted before an
  // action says nothing about the time after it.
  const bool bad =
      std::ranges::any_of(look.recent, is_bad) || std::ranges::any_of(look.calm, is_bad);
  if (!bad && may_end(look)) end_last(look.at_s, "calm", moves);
  if (!moves.empty()) breaches_ = 0;
  if (bad || !moves.empty()) calm_since_s_ = look.at_s;
  return moves;
}

std::vector<GuardMove> GuardActions::release(GuardAction action, double at_s) {
  std::vector<GuardMove> moves;
  while (wants(action)) end_last(at_s, "operator", moves);
  if (!moves.empty()) {
    breaches_ = 0;
    calm_since_s_ = at_s;
  }
  return moves;
}

}  // namespace memseal::policy

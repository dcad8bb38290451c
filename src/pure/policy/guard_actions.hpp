#pragma once
// What a service does about breached guardrails, and when it takes that back. Pure.
#include "pure/policy/guardrail.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::policy {

/// In their order: each costs users more than the one before.
enum class GuardAction {
  rerank_off,     ///< queries keep the search order
  ingest_paused,  ///< events wait in Kafka
  unready,        ///< a load balancer sends nothing here
};
inline constexpr std::array all_guard_actions{GuardAction::rerank_off, GuardAction::ingest_paused,
                                              GuardAction::unready};
constexpr std::size_t index_of(GuardAction action) noexcept {
  return static_cast<std::size_t>(action);
}
/// "rerank_off", "ingest_paused" or "unready".
std::string_view guard_action_name(GuardAction action) noexcept;
std::optional<GuardAction> parse_guard_action(std::string_view name) noexcept;

struct GuardRules {
  double hold_s = 120;        ///< least time from an action to the next one, and to its own end
  double hold_max_s = 3'600;  ///< most that a hold grows to; never below hold_s
  double calm_s = 180;        ///< time without a bad look before an action ends
  GuardAction furthest = GuardAction::unready;  ///< no action after it is taken
};

/// An action begins or ends.
struct GuardMove {
  GuardAction action;
  bool begins;
  std::string cause;  ///< a guardrail, "calm" or "operator"
};

/// What one look found.
struct GuardLook {
  double at_s = 0;                ///< of one steady clock
  std::vector<Guardrail> recent;  ///< judged over the last window
  std::vector<Guardrail> calm;    ///< judged over the time since GuardActions::calm_since_s()
};

/// Takes actions one at a time and in their order, and ends them in the reverse order.
///
/// A breach at two looks in a row begins the next action, at least `hold_s` after the one before.
/// A breach of zero tolerance begins all actions at once and holds the last for `hold_max_s`.
/// The last action ends when it was held, and `calm_s` passed without a look that was bad, and what
/// was counted since then keeps every guardrail that an action began for, with samples enough.
/// NOTE: `unready` takes away the traffic that its guardrails judge, so too few samples do not keep
/// it. Its end is a trial: traffic that fails again begins it again, and holds it twice as long.
/// An action that begins within `hold_max_s` of its end is held twice as long as before, up to
/// `hold_max_s`. Too few samples begin nothing.
/// Thread: one at a time.
class GuardActions {
 public:
  explicit GuardActions(GuardRules rules);

  /// Judges one more look. Looks come in the order of their time.
  std::vector<GuardMove> see(const GuardLook& look);
  /// Ends `action` and those after it, because an operator says so. They may begin again.
  std::vector<GuardMove> release(GuardAction action, double at_s);

  bool wants(GuardAction action) const noexcept { return index_of(action) < level_; }
  /// Since when no look was bad.
  double calm_since_s() const noexcept { return calm_since_s_; }
  /// Seconds for which `action`, if it is wanted, is held at `at_s` still, bad looks apart.
  double held_for_s(GuardAction action, double at_s) const noexcept;
  /// The guardrails for which an action began.
  const std::vector<std::string>& causes() const noexcept { return causes_; }

 private:
  struct Held {
    double begun_s = 0, hold_s = 0;
    double ended_s = -std::numeric_limits<double>::infinity();
  };
  void begin_next(double at_s, const std::string& cause, std::vector<GuardMove>& moves);
  void end_last(double at_s, std::string_view cause, std::vector<GuardMove>& moves);
  void note_causes(const GuardLook& look);
  bool may_end(const GuardLook& look) const;

  GuardRules rules_;
  std::array<Held, all_guard_actions.size()> held_{};
  std::size_t level_ = 0;  // actions that are wanted: the first ones
  std::vector<std::string> causes_;
  int breaches_ = 0;  // looks in a row
  double calm_since_s_ = 0;
};

}  // namespace memseal::policy

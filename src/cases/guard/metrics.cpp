#include "cases/guard/metrics.hpp"

#include <string>

namespace memseal::guard {

using policy::guard_action_name;

GuardMetrics::GuardMetrics(runtime::Metrics& metrics) : metrics_(metrics) {
  for (const auto action : policy::all_guard_actions) {
    const std::string name(guard_action_name(action));
    active_[index_of(action)] =
        &metrics.gauge("memseal_guard_action_active", "1 while the guard's action is in effect.",
                       {{"action", std::string(name)}});
    wanted_[index_of(action)] =
        &metrics.gauge("memseal_guard_action_wanted",
                       "1 while guardrails ask for the action, whether it is taken or only logged.",
                       {{"action", std::string(name)}});
  }
}

void GuardMetrics::moved(policy::GuardAction action, bool begins, std::string_view mode,
                         std::string_view cause) {
  metrics_
      .counter("memseal_guard_transitions_total",
               "Times that an action of the guard began or ended; in mode \"observe\" it was only "
               "logged.",
               {{"action", std::string(guard_action_name(action))},
                {"to", begins ? "on" : "off"},
                {"mode", std::string(mode)},
                {"cause", std::string(cause)}})
      .Increment();
}

}  // namespace memseal::guard

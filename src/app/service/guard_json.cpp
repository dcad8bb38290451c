#include "app/service/guard_json.hpp"

namespace memseal::app {

namespace json = boost::json;

namespace {

json::object guardrail_object(const policy::Guardrail& guardrail) {
  json::object object{{"name", guardrail.name},
                      {"verdict", policy::verdict_name(guardrail.verdict)},
                      {"value", guardrail.value},
                      {"limit", guardrail.limit}};
  if (guardrail.samples_min > 0) {
    object["samples"] = guardrail.samples;
    object["samples_min"] = guardrail.samples_min;
  }
  return object;
}

}  // namespace

json::array guardrails_array(const std::vector<policy::Guardrail>& guardrails) {
  json::array all;
  for (const auto& guardrail : guardrails) all.push_back(guardrail_object(guardrail));
  return all;
}

json::object guard_object(const guard::State& state) {
  json::array actions;
  for (const auto& action : state.actions)
    actions.push_back(json::object{{"name", policy::guard_action_name(action.action)},
                                   {"active", action.active},
                                   {"wanted", action.wanted},
                                   {"held_by_operator", action.held_by_operator},
                                   {"held_for_s", action.held_for_s}});
  json::array causes;
  for (const auto& cause : state.causes) causes.emplace_back(cause);
  return {{"mode", guard::mode_name(state.mode)},
          {"actions", std::move(actions)},
          {"causes", std::move(causes)},
          {"verdict", policy::verdict_name(policy::verdict_of(state.guardrails))},
          {"guardrails", guardrails_array(state.guardrails)}};
}

}  // namespace memseal::app

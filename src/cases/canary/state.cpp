#include "cases/canary/state.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_to.hpp>

#include <array>
#include <cmath>
#include <exception>

namespace memseal::canary {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 6> verdicts{"running", "promoted",     "breach",
                                                   "inconclusive", "refused", "aborted"};
constexpr int format = 1;

std::string text_in(const json::object& object, std::string_view name) {
  return json::value_to<std::string>(object.at(name));
}

double number_in(const json::object& object, std::string_view name) {
  return json::value_to<double>(object.at(name));
}

template <class T>
std::vector<T> list_in(const json::object& object, std::string_view name) {
  return json::value_to<std::vector<T>>(object.at(name));
}

json::object plan_object(const policy::CanaryPlan& plan) {
  json::array stages;
  for (const auto& stage : plan.stages)
    stages.push_back(json::object{{"percent", stage.percent},
                                  {"min_s", stage.min_s},
                                  {"max_s", stage.max_s},
                                  {"samples_min", stage.samples_min}});
  return {{"stages", std::move(stages)},
          {"settle_s", plan.settle_s},
          {"slow", plan.limits.shares.slow},
          {"cut", plan.limits.shares.cut},
          {"errors", plan.limits.shares.errors},
          {"memory_bytes", plan.limits.memory_bytes},
          {"regressions_stop", plan.limits.regressions_stop}};
}

policy::CanaryPlan plan_in(const json::object& object) {
  policy::CanaryPlan plan;
  for (const auto& one : object.at("stages").as_array()) {
    const auto& stage = one.as_object();
    plan.stages.push_back({.percent = json::value_to<int>(stage.at("percent")),
                           .min_s = number_in(stage, "min_s"),
                           .max_s = number_in(stage, "max_s"),
                           .samples_min = json::value_to<std::uint64_t>(stage.at("samples_min"))});
  }
  plan.settle_s = number_in(object, "settle_s");
  plan.limits.shares.slow = number_in(object, "slow");
  plan.limits.shares.cut = number_in(object, "cut");
  plan.limits.shares.errors = number_in(object, "errors");
  plan.limits.memory_bytes = number_in(object, "memory_bytes");
  plan.limits.regressions_stop = object.at("regressions_stop").as_bool();
  return plan;
}

Verdict verdict_in(const std::string& name) {
  // The file is read by a later release too, so a verdict is stored by its name, not by its number.
  for (std::size_t i = 0; i < verdicts.size(); ++i)
    if (verdicts[i] == name) return static_cast<Verdict>(i);
  throw_failure({Errc::bad_config, "has an unknown verdict"});
}

State state_in(const json::object& object) {
  const auto slot = text_in(object, "canary");
  // at() throws where a member is missing, and value_to() where it is of another type;
  // parse_state() turns both into one sentence. No member has a default, because a rollout that
  // goes on with a guessed limit would judge by it.
  if (json::value_to<int>(object.at("format")) != format || (slot != "a" && slot != "b"))
    throw_failure({Errc::bad_config, "is of another format"});
  return {.rollout = text_in(object, "rollout"),
          .verdict = verdict_in(text_in(object, "verdict")),
          .canary = slot == "a" ? ports::Slot::a : ports::Slot::b,
          .proxy = text_in(object, "proxy"),
          .stable_urls = list_in<std::string>(object, "stable_urls"),
          .canary_urls = list_in<std::string>(object, "canary_urls"),
          .plan = plan_in(object.at("plan").as_object()),
          .every_s = number_in(object, "every_s"),
          .lease_s = number_in(object, "lease_s"),
          .smoked = object.at("smoked").as_bool(),
          .judged = list_in<double>(object, "judged"),
          .stable_seen = list_in<double>(object, "stable_seen"),
          .canary_seen = list_in<double>(object, "canary_seen")};
}

bool within(double number, double least, double most) { return number >= least && number <= most; }

}  // namespace

std::string_view verdict_name(Verdict verdict) noexcept {
  return verdicts[static_cast<std::size_t>(verdict)];
}

std::string print_state(const State& state) {
  const auto list = [](const auto& values) { return json::array(values.begin(), values.end()); };
  return codec::compact_json(json::object{{"format", format},
                                          {"rollout", state.rollout},
                                          {"verdict", verdict_name(state.verdict)},
                                          {"canary", ports::slot_name(state.canary)},
                                          {"proxy", state.proxy},
                                          {"stable_urls", list(state.stable_urls)},
                                          {"canary_urls", list(state.canary_urls)},
                                          {"plan", plan_object(state.plan)},
                                          {"every_s", state.every_s},
                                          {"lease_s", state.lease_s},
                                          {"smoked", state.smoked},
                                          {"judged", list(state.judged)},
                                          {"stable_seen", list(state.stable_seen)},
                                          {"canary_seen", list(state.canary_seen)}});
}

Result<State> parse_state(std::string_view text) {
  const auto parsed = codec::parse_json(text, Errc::bad_config);
  if (!parsed || !parsed->is_object()) return Error{Errc::bad_config, "is no JSON object"};
  try {
    auto state = state_in(parsed->get_object());
    if (const auto why = why_unfit(state); !why.empty()) return Error{Errc::bad_config, why};
    return state;
  } catch (const Failure& failure) {
    return failure.error();
  } catch (const std::exception&) {
    return Error{Errc::bad_config, "lacks a member, or one is of another type"};
  }
}

std::string why_unfit(const State& state) {
  constexpr double week_s = 604'800, memory_max = 1e15;
  const auto& plan = state.plan;
  if (plan.stages.empty() || plan.stages.size() > 20) return "has no plan of 1 to 20 stages";
  int before = 0;
  for (const auto& stage : plan.stages) {
    if (stage.percent <= before) return "has a plan whose shares do not rise";
    if (!within(stage.min_s, 0, week_s) || !within(stage.max_s, stage.min_s, week_s))
      return "has a stage whose times are not 0 s to 7 days, the least one first";
    before = stage.percent;
  }
  if (before != 100) return "has a plan that does not end with 100";
  // A look waits a second for each process at most.
  const auto processes = static_cast<double>(state.stable_urls.size() + state.canary_urls.size());
  if (!within(state.every_s, 0.1, 60) ||
      !within(state.lease_s, 2 * state.every_s + processes, 300))
    return "has a lease below two looks and a second for each process, or over 5 minutes";
  for (const double share : {plan.limits.shares.slow, plan.limits.shares.cut,
                             plan.limits.shares.errors})
    if (!within(share, 1e-6, 0.2)) return "has a limit that is no share up to 0.2";
  if (!within(plan.settle_s, 0, week_s) || !within(plan.limits.memory_bytes, 0, memory_max))
    return "has a time or a size that cannot be";
  if (state.stable_urls.empty() || state.canary_urls.empty()) return "names no processes";
  return "";
}

}  // namespace memseal::canary

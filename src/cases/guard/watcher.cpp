#include "cases/guard/watcher.hpp"

#include "runtime/condition.hpp"
#include "runtime/log.hpp"

#include <algorithm>
#include <utility>

namespace memseal::guard {

using policy::guard_action_name;
using policy::GuardAction;
using runtime::log;
using runtime::LogLevel;

namespace {

constexpr std::string_view by_operator = "operator", by_mode = "mode";

/// "0.032000 of at most 0.005000": the numbers of a guardrail, for the log. Empty: there is none.
std::string numbers_of(const std::vector<policy::Guardrail>& guardrails, std::string_view name) {
  const auto found = std::ranges::find(guardrails, name, &policy::Guardrail::name);
  if (found == guardrails.end()) return "";
  return std::to_string(found->value) + " of at most " + std::to_string(found->limit);
}

}  // namespace

double steady_now_s() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string_view mode_name(Mode mode) noexcept {
  switch (mode) {
    case Mode::off:
      return "off";
    case Mode::observe:
      return "observe";
    case Mode::act:
      return "act";
  }
  return "off";
}

std::optional<Mode> parse_mode(std::string_view name) noexcept {
  for (const auto mode : {Mode::off, Mode::observe, Mode::act})
    if (mode_name(mode) == name) return mode;
  return std::nullopt;
}

WatcherOptions watcher_options(const Settings& settings) {
  WatcherOptions options;
  options.mode = parse_mode(settings.mode).value();
  options.interval = std::chrono::seconds(settings.interval_s);
  options.window = std::chrono::seconds(settings.window_s);
  options.rules = {.hold_s = static_cast<double>(settings.hold_s),
                   .hold_max_s = static_cast<double>(settings.hold_max_s),
                   .calm_s = static_cast<double>(settings.clean_windows * settings.window_s),
                   .furthest = policy::parse_guard_action(settings.furthest).value()};
  options.limits = settings.limits();
  return options;
}

Watcher::Watcher(WatcherOptions options, MakePage make_page, Switches switches,
                 GuardMetrics& metrics)
    : options_(std::move(options)),
      make_page_(std::move(make_page)),
      switches_(std::move(switches)),
      metrics_(metrics),
      actions_(options_.rules) {}

asio::awaitable<void> Watcher::run() {
  for (;;) {
    look(steady_now_s());
    co_await runtime::pause_for(options_.interval);
  }
}

void Watcher::look(double at_s) {
  if (options_.mode == Mode::off) return;
  auto snapshot = read_snapshot(make_page_(), at_s);
  if (!snapshot) {
    // Nothing is judged and nothing changes: an action that was taken stays, because what ended it
    // would be a guess.
    if (!std::exchange(unreadable_, true))
      log(LogLevel::error, "guard.unreadable", {{"cause", snapshot.error().message}});
    return;
  }
  unreadable_ = false;
  const auto seen = judge(std::move(*snapshot));
  if (!seen) return;
  seen_ = seen->recent;
  const auto moves = actions_.see(*seen);
  // An action changes what happens, so what was counted before it is not judged again after it.
  if (!moves.empty()) taken_.erase(taken_.begin(), taken_.end() - 1);
  if (actions_.calm_since_s() == at_s) calm_ = taken_.back();
  note(moves);
}

// Nothing at the first look, which has nothing to compare with.
std::optional<policy::GuardLook> Watcher::judge(Snapshot snapshot) {
  const auto window_s = static_cast<double>(options_.window.count());
  // The newest one that is older than the window stays.
  while (taken_.size() > 1 && snapshot.at_s - taken_[1].at_s >= window_s) taken_.pop_front();
  taken_.push_back(std::move(snapshot));
  if (!calm_) calm_ = taken_.back();
  if (taken_.size() < 2) return std::nullopt;
  return policy::GuardLook{.at_s = taken_.back().at_s,
                           .recent = judge_since(taken_.front()),
                           .calm = judge_since(*calm_)};
}

std::vector<policy::Guardrail> Watcher::judge_since(const Snapshot& before) const {
  auto guardrails = policy::against(policy::judge(between(before, taken_.back()), options_.limits),
                                    options_.baseline);
  // /ready has a check of its own for these, which is good again as soon as the catalog is.
  std::erase_if(guardrails, [](const auto& one) { return one.name == "isolation_findings"; });
  return guardrails;
}

void Watcher::note(const std::vector<policy::GuardMove>& moves) {
  for (const auto& move : moves) {
    metrics_.wanted(move.action).Set(move.begins);
    if (options_.mode == Mode::observe) {
      metrics_.moved(move.action, move.begins, mode_name(options_.mode), move.cause);
      log(LogLevel::warn, move.begins ? "guard.would_begin" : "guard.would_end",
          {{"action", guard_action_name(move.action)},
           {"cause", move.cause},
           {"value", numbers_of(seen_, move.cause)}});
    }
    settle(move.action, move.cause);
  }
}

void Watcher::settle(GuardAction action, std::string_view cause) {
  const bool now =
      held_[index_of(action)] || (options_.mode == Mode::act && actions_.wants(action));
  // Two reasons for one action, a breach and an operator, are one action.
  if (active_[index_of(action)].exchange(now) == now) return;
  if (action == GuardAction::rerank_off) switches_.rerank_off(now);
  if (action == GuardAction::ingest_paused) switches_.ingest_paused(now);
  metrics_.active(action).Set(now);
  metrics_.moved(action, now, mode_name(options_.mode), cause);
  log(LogLevel::warn, now ? "guard.action_begun" : "guard.action_ended",
      {{"action", guard_action_name(action)},
       {"cause", cause},
       {"value", numbers_of(seen_, cause)},
       {"mode", mode_name(options_.mode)}});
}

// Those that end do so in the reverse order.
void Watcher::settle_all(std::string_view cause) {
  for (const auto action : policy::all_guard_actions)
    if (!is_active(action)) settle(action, cause);
  for (auto action = policy::all_guard_actions.rbegin(); action != policy::all_guard_actions.rend();
       ++action)
    settle(*action, cause);
}

void Watcher::hold(GuardAction action) {
  held_[index_of(action)] = true;
  log(LogLevel::warn, "guard.held",
      {{"action", guard_action_name(action)}, {"cause", by_operator}});
  settle(action, by_operator);
}

void Watcher::release(GuardAction action, double at_s) {
  for (const auto one : policy::all_guard_actions)
    if (one >= action) held_[index_of(one)] = false;
  log(LogLevel::warn, "guard.released",
      {{"action", guard_action_name(action)}, {"cause", by_operator}});
  note(actions_.release(action, at_s));
  settle_all(by_operator);
  // What was counted until now was known to the operator.
  forget_looks();
}

void Watcher::set_mode(Mode mode) {
  if (mode == options_.mode) return;
  log(LogLevel::warn, "guard.mode_changed",
      {{"mode", mode_name(mode)}, {"before", mode_name(options_.mode)}, {"cause", by_operator}});
  options_.mode = mode;
  if (mode == Mode::off) {
    // Not what was seen before: whoever turns the guard on again wants it to judge from then on.
    actions_ = policy::GuardActions(options_.rules);
    for (const auto action : policy::all_guard_actions) metrics_.wanted(action).Set(0);
    seen_.clear();
    forget_looks();
  }
  settle_all(by_mode);
}

void Watcher::forget_looks() {
  taken_.clear();
  calm_.reset();
}

State Watcher::state(double at_s) const {
  State state{.mode = options_.mode, .causes = actions_.causes(), .guardrails = seen_};
  for (const auto action : policy::all_guard_actions)
    state.actions.push_back({.action = action,
                             .active = is_active(action),
                             .wanted = actions_.wants(action),
                             .held_by_operator = held_[index_of(action)],
                             .held_for_s = actions_.held_for_s(action, at_s)});
  return state;
}

}  // namespace memseal::guard

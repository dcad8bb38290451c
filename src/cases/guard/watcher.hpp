#pragma once
// The service's own guard: judges its metrics look by look, and acts.
#include "cases/guard/metrics.hpp"
#include "cases/guard/settings.hpp"
#include "cases/guard/snapshot.hpp"
#include "pure/policy/guard_actions.hpp"
#include "pure/policy/guard_watch.hpp"

#include <boost/asio/awaitable.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::guard {

namespace asio = boost::asio;

enum class Mode {
  off,      ///< nothing is judged
  observe,  ///< what `act` would do is logged and counted, and not done
  act,
};
std::string_view mode_name(Mode mode) noexcept;
std::optional<Mode> parse_mode(std::string_view name) noexcept;

/// Now, on the clock of Watcher's times.
double steady_now_s() noexcept;

struct WatcherOptions {
  Mode mode = Mode::observe;
  std::chrono::seconds interval{Settings{}.interval_s}, window{Settings{}.window_s};
  policy::GuardRules rules = {};
  policy::GuardLimits limits = {};
  policy::Baseline baseline = {};
};

/// REQUIRES: the names in `settings` are valid, as Settings::rows() makes sure.
WatcherOptions watcher_options(const Settings& settings);

/// How actions reach the service. Each function is called with true when its action begins and with
/// false when it ends, on the watcher's thread, and does not throw. Watcher::is_unready() is asked.
struct Switches {
  std::function<void(bool)> rerank_off = [](bool) {};
  std::function<void(bool)> ingest_paused = [](bool) {};
};

/// What an operator is shown.
struct State {
  struct Action {
    policy::GuardAction action;
    bool active, wanted, held_by_operator;
    double held_for_s;  ///< at least, if it is wanted
  };

  Mode mode;
  std::vector<Action> actions = {};           ///< all, in their order
  std::vector<std::string> causes;            ///< guardrails for which an action began
  std::vector<policy::Guardrail> guardrails;  ///< of the last look
};

/// Takes the actions that policy::GuardActions asks for, in mode `act`, and those that an operator
/// holds, in every mode.
/// Breaches of `isolation_findings` are left to the readiness of the service, which has a check of
/// its own for them, and takes it back once the catalog is repaired.
/// A page without a series that is needed is not judged: it begins nothing and ends nothing.
/// Thread: one executor; is_unready() any.
class Watcher {
 public:
  /// Makes the metrics page of the process, in the text format.
  using MakePage = std::function<std::string()>;

  Watcher(WatcherOptions options, MakePage make_page, Switches switches, GuardMetrics& metrics);

  /// Looks every interval, until cancelled.
  asio::awaitable<void> run();
  /// One look, at a time of a steady clock.
  void look(double at_s);

  bool is_unready() const noexcept { return is_active(policy::GuardAction::unready); }
  bool is_active(policy::GuardAction action) const noexcept {
    return active_[index_of(action)].load(std::memory_order_relaxed);
  }

  // What an operator says.
  /// The action stays in effect until release().
  void hold(policy::GuardAction action);
  /// Ends the action and those after it. A further breach begins them again.
  void release(policy::GuardAction action, double at_s);
  /// From another mode than `act` on, actions end that no operator holds.
  void set_mode(Mode mode);

  /// The mode, the actions, and what the last look found.
  State state(double at_s) const;

 private:
  std::optional<policy::GuardLook> judge(Snapshot snapshot);
  std::vector<policy::Guardrail> judge_since(const Snapshot& before) const;
  void forget_looks();
  void note(const std::vector<policy::GuardMove>& moves);
  void settle(policy::GuardAction action, std::string_view cause);
  void settle_all(std::string_view cause);

  WatcherOptions options_;
  MakePage make_page_;
  Switches switches_;
  GuardMetrics& metrics_;
  policy::GuardActions actions_;
  std::array<std::atomic<bool>, policy::all_guard_actions.size()> active_{};
  std::array<bool, policy::all_guard_actions.size()> held_{};  // by an operator
  std::deque<Snapshot> taken_;    // of the last window, and one before it
  std::optional<Snapshot> calm_;  // the first since no look was bad
  std::vector<policy::Guardrail> seen_;
  bool unreadable_ = false;
};

}  // namespace memseal::guard

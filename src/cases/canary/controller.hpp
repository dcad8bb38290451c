#pragma once
// Gives a release to more and more users while it keeps its promises, and to nobody when it does
// not.
#include "cases/canary/release_watch.hpp"
#include "cases/canary/state.hpp"
#include "ports/traffic.hpp"
#include "pure/policy/canary_rollout.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace memseal::canary {

/// A name and what it is, of an entry in the record.
using Fact = std::pair<std::string_view, std::variant<std::string, double, bool>>;

/// What an operator can read afterwards, and what another controller can go on from.
class Record {
 public:
  virtual ~Record() = default;
  /// Is on the disk once this returns.
  virtual void note(std::string_view event, const std::vector<Fact>& facts) = 0;
  /// The same, atomically in place of the state before.
  virtual void save(const State& state) = 0;
  /// What one look saw, and how it was judged.
  virtual void look(const policy::CanaryLook& look, policy::CanaryStep step,
                    const policy::CanaryRollout& rollout) = 0;
  /// A page of metrics as it was read: "canary-0-begin".
  virtual void page(const std::string& name, const std::string& text) = 0;
};

/// What the controller needs of the world besides the proxy.
struct World {
  Record& record;
  /// The metrics page at the address of an admin listener. Waits a second at most.
  std::function<Result<std::string>(const std::string& url)> page;
  /// Checks the canary by the forced route. Returns what does not hold; empty: all holds. Absent:
  /// the operator wants none.
  std::function<std::optional<std::string>()> smoke;
  std::uint64_t smoke_requests = 0;    ///< that the checks send to the canary at least
  std::function<double()> steady_s;    ///< a clock that is never set
  std::function<std::int64_t()> unix_s;
  /// Waits until that time of steady_s; false at once where the process was asked to end.
  std::function<bool(double)> wait_until;
  /// Waits, whatever the process was asked.
  std::function<void(double seconds)> pause;
};

/// How a rollout ended.
struct Outcome {
  Verdict verdict = Verdict::aborted;
  std::vector<std::string> reasons;
  std::vector<policy::Guardrail> guardrails;  ///< as they were judged last; may be empty
  int percent = 0;          ///< of the users that had the canary last
  bool users_are_off = false;  ///< the proxy confirmed that the canary has no users
};

/// The name that `memseal canary abort` writes in place of the rollout's: the controller ends.
inline constexpr std::string_view aborted_rollout = "aborted";

/// Runs one rollout.
///
/// Each look renews the lease of the proxy, so that a proxy whose controller is gone gives the
/// canary to nobody after `lease_s`. It also writes the whole state again, because a reload of the
/// proxy forgets it. A rollout of another name in the proxy ends this one: two controllers never
/// move one proxy.
/// Whatever ends the rollout but a promotion takes every user off the canary first, bugs of the
/// controller included. Where the proxy follows another rollout nothing is written: its users and
/// its promotion are not this one's to take back.
/// NOTE: the proxy has no compare-and-set. Between the reading that precedes each write and the
/// write lie milliseconds in which another controller can still write.
/// Thread: one.
class Controller {
 public:
  /// Lifetime: all arguments outlive it.
  Controller(State state, ports::Traffic& traffic, World& world);

  /// From the checks before the first user to the end. Throws nothing but what the record throws.
  Outcome run();
  const State& state() const noexcept { return state_; }
  /// Goes on with the stage in which another controller was lost. REQUIRES: state.smoked.
  Outcome resume();

 private:
  struct Seen {
    policy::CanaryLook look;
    std::string why_unread;  ///< of the canary; empty: it was read
  };
  struct Off {
    bool confirmed = false;  ///< the canary has no users
    std::optional<ports::TrafficState> lost;  ///< what the proxy follows, where it is another's
  };
  std::optional<Outcome> prepare();
  std::optional<std::string> check_proxy();
  std::optional<std::string> check_metrics();
  std::optional<std::string> check_smoke(Verdict& verdict);
  Outcome guarded(Outcome (Controller::*body)());
  Outcome begin();
  Outcome pick_up();
  /// Renews the lease and looks, until either ends the rollout.
  Outcome watch();
  /// Looks once and does what the look leads to.
  std::optional<Outcome> judge();
  std::optional<Outcome> act(policy::CanaryStep step, const Seen& seen);
  /// Whether the process was asked to end.
  bool stopped() { return !world_.wait_until(world_.steady_s()); }
  /// Whether this controller may give users: the proxy has the rollout's name, or none after a
  /// reload, and the stable slot is the one that the rollout began with.
  bool is_own(const ports::TrafficState& now) const;
  /// Whether this controller may take users back without touching another rollout.
  bool may_take_back(const ports::TrafficState& now) const;
  std::string why_lost(const ports::TrafficState& now) const;
  /// Ends where the proxy follows an abort or another rollout.
  Outcome give_way(const ports::TrafficState& now);
  /// Writes where is_own() holds just before. Else returns what the proxy follows.
  std::optional<ports::TrafficState> write_if_own(const ports::TrafficState& wanted);
  Seen look();
  std::vector<ProcessPage> read_release(const std::vector<std::string>& urls);
  std::optional<Outcome> begin_stage();
  /// Gives the stage its users and renews the lease. A proxy that does not answer is noted, and
  /// nothing is written: the next look tries again. Returns how the rollout ended, if it did.
  std::optional<Outcome> give_users();
  void keep();
  void keep_pages(const char* when);
  Outcome promote();
  Outcome take_users_off(Verdict verdict, std::vector<std::string> reasons);
  /// Reads before it writes. Writes without that only where reading fails again and again.
  Off write_no_users();
  void drain();
  Outcome end(Outcome outcome);
  ports::TrafficState wanted(int percent) const;
  double elapsed_s() const { return world_.steady_s() - began_s_; }

  State state_;
  ports::Traffic& traffic_;
  World& world_;
  policy::CanaryRollout rollout_;
  ReleaseWatch stable_, canary_;
  double began_s_ = 0;     // of steady_s, when the rollout's own clock was 0
  bool claimed_ = false;  // the proxy has this rollout's name
};

}  // namespace memseal::canary

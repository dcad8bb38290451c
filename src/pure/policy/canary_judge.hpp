#pragma once
// Whether a canary release keeps its promises, look by look. Pure.
#include "pure/policy/canary_tests.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace memseal::policy {

/// What one release counted in one look.
struct CanaryCounts {
  Share streams;   ///< event streams cut, of all that ended
  Share requests;  ///< 5xx, of all
  Share ttfv;      ///< first results after 1.5 s, of all
  std::vector<std::uint64_t> first_results;  ///< by bucket of their latency
};

/// One look at both releases.
struct CanaryLook {
  double at_s = 0;  ///< since the rollout began; never falls
  std::optional<CanaryCounts> canary, stable;  ///< empty: its metrics could not be read
  // The rest is the canary's.
  std::uint64_t rls_errors = 0, aad_mismatches = 0;  ///< in this look
  std::uint64_t findings = 0;                        ///< of the catalog lint, now
  bool restarted = false;       ///< a process of it began within the look
  double resident_bytes = 0;    ///< of its largest process
  std::uint64_t proxied = 0;    ///< requests that the proxy sent to it in this look
  bool warm = true;             ///< its latency and its memory count
};

struct CanaryLimits {
  GuardLimits shares;            ///< `slow`, `cut`, `errors`; the numbers of samples are the gate's
  double memory_bytes = 0;       ///< of one process; 0: memory is not judged
  bool regressions_stop = false;  ///< what is worse than stable is a breach, within its limit too
  double false_alarms = 0.003;   ///< of each limit; 0.9 % of all clean rollouts
};

/// What must be proven before the next stage.
struct CanaryGate {
  std::uint64_t samples_min = 0;
  double cut = 0, errors = 0;  ///< shares that must be excluded with a certainty of 95 %
};
/// Little exposure needs little proof: up to 10 % of the users 300 samples, below all of them
/// 1,200, else 2,500 and the limits themselves.
CanaryGate canary_gate(int percent, const GuardLimits& limits);

/// Judges the looks of one rollout. Evidence adds up over its stages, because the release is the
/// same.
/// - Zero tolerance: one event is a breach.
/// - A share over its limit is a breach as soon as that is proven (CanaryShareTest).
/// - Metrics that cannot be read three looks in a row, that stand still while the proxy sends
///   traffic, a restart, and memory that runs out are breaches.
/// - What is worse than stable but within its limit is a warning that stays, and blocks promotion.
/// Thread: one at a time.
class CanaryJudge {
 public:
  explicit CanaryJudge(CanaryLimits limits);

  void see(const CanaryLook& look);
  bool breached() const;
  /// Every promise is proven as `gate` asks, and nothing is worse than stable.
  bool passed(const CanaryGate& gate) const;
  /// Everything that was judged, for people and for the record. A share below its number of samples
  /// or not yet proven is inconclusive.
  std::vector<Guardrail> guardrails(const CanaryGate& gate) const;
  /// Evidence of each guardrail that is judged by a sequential test: 0 to 1, where 1 is a breach.
  std::vector<std::pair<std::string_view, double>> evidence() const;

  /// Calls `number` with each number that a controller which goes on must know.
  template <class Number>
  void visit(Number&& number) {
    streams_.visit(number);
    errors_.visit(number);
    ttfv_.visit(number);
    streams_compared_.visit(number);
    errors_compared_.visit(number);
    latency_compared_.visit(number);
    for (auto* one : {&rls_errors_, &aad_mismatches_, &findings_, &restarts_, &streams_worse_,
                      &errors_worse_, &latency_worse_})
      number(*one);
  }

 private:
  bool worse() const { return streams_worse_ + errors_worse_ + latency_worse_ > 0; }
  void compare(const CanaryLook& look);

  CanaryLimits limits_;
  CanaryShareTest streams_, errors_, ttfv_;
  CanaryShareComparison streams_compared_, errors_compared_;
  CanaryLatencyComparison latency_compared_;
  CanaryMemory memory_;
  double rls_errors_ = 0, aad_mismatches_ = 0, findings_ = 0, restarts_ = 0;
  double streams_worse_ = 0, errors_worse_ = 0, latency_worse_ = 0;  // 1: it was, once
  int unread_ = 0, frozen_ = 0;  // looks in a row
};

}  // namespace memseal::policy

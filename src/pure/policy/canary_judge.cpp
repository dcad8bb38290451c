#include "pure/policy/canary_judge.hpp"

#include <algorithm>

namespace memseal::policy {

namespace {

/// So many looks in a row are no accident.
constexpr int looks_in_a_row = 3;
constexpr double regression_false_alarms = 0.0015;

Guardrail never(std::string_view name, double events) {
  return {.name = name,
          .verdict = events > 0 ? Verdict::breach : Verdict::ok,
          .value = events};
}

Guardrail in_a_row(std::string_view name, int looks) {
  return {.name = name,
          .verdict = looks >= looks_in_a_row ? Verdict::breach
                     : looks > 0             ? Verdict::warn
                                             : Verdict::ok,
          .value = static_cast<double>(looks),
          .limit = looks_in_a_row - 1};
}

Guardrail share_rail(std::string_view name, const CanaryShareTest& test, std::uint64_t samples_min,
                     double excluded) {
  return {.name = name,
          .verdict = test.breached()                       ? Verdict::breach
                     : test.passed(samples_min, excluded) ? Verdict::ok
                                                           : Verdict::inconclusive,
          .value = test.value(),
          .limit = test.limit(),
          .samples = static_cast<std::uint64_t>(std::clamp(test.samples(), 0.0, 1e15)),
          .samples_min = samples_min};
}

Guardrail compared_rail(std::string_view name, double evidence, bool worse, bool stops) {
  return {.name = name,
          .verdict = !worse ? Verdict::ok : stops ? Verdict::breach : Verdict::warn,
          .value = evidence,
          .limit = 1,
          .stops = stops};
}

}  // namespace

CanaryGate canary_gate(int percent, const GuardLimits& limits) {
  // Few users make few samples, so an early stage must prove less: 300 streams with none cut
  // exclude 1.5 % with a certainty near 99 %. The last stage proves the promise itself.
  if (percent <= 10) return {300, 0.015, 0.015};
  if (percent < 100) return {1'200, 0.008, 0.01};
  return {2'500, limits.cut, limits.errors};
}

CanaryJudge::CanaryJudge(CanaryLimits limits)
    : limits_(limits),
      streams_(limits.shares.cut, limits.false_alarms),
      errors_(limits.shares.errors, limits.false_alarms),
      ttfv_(limits.shares.slow, limits.false_alarms),
      streams_compared_(regression_false_alarms),
      errors_compared_(regression_false_alarms),
      latency_compared_(regression_false_alarms),
      memory_(limits.memory_bytes) {}

void CanaryJudge::see(const CanaryLook& look) {
  restarts_ += look.restarted ? 1 : 0;
  // A page that fails once is a network; a release that cannot be read for three looks is not
  // watched, and counts as broken.
  unread_ = look.canary ? 0 : unread_ + 1;
  if (!look.canary) return;
  rls_errors_ += static_cast<double>(look.rls_errors);
  aad_mismatches_ += static_cast<double>(look.aad_mismatches);
  // A state and not a count: the same finding is there at every look.
  findings_ = std::max(findings_, static_cast<double>(look.findings));
  // The proxy saw traffic of which the release counted almost none.
  constexpr std::uint64_t proxied_least = 10;
  const bool stands =
      look.proxied >= proxied_least && look.canary->requests.all * 5 < look.proxied;
  frozen_ = stands ? frozen_ + 1 : 0;
  streams_.see(look.at_s, look.canary->streams);
  errors_.see(look.at_s, look.canary->requests);
  // Caches that are cold make every release slow and let its memory grow.
  if (look.warm) {
    ttfv_.see(look.at_s, look.canary->ttfv);
    memory_.see(look.at_s, look.resident_bytes);
  }
  if (look.stable) compare(look);
}

void CanaryJudge::compare(const CanaryLook& look) {
  streams_compared_.see(look.at_s, look.canary->streams, look.stable->streams);
  errors_compared_.see(look.at_s, look.canary->requests, look.stable->requests);
  if (look.warm)
    latency_compared_.see(look.at_s, look.canary->first_results, look.stable->first_results);
  // Kept once it was so: a regression that fades while the share of users rises was one all the
  // same.
  if (streams_compared_.worse()) streams_worse_ = 1;
  if (errors_compared_.worse()) errors_worse_ = 1;
  if (latency_compared_.worse()) latency_worse_ = 1;
}

bool CanaryJudge::breached() const {
  return rls_errors_ > 0 || aad_mismatches_ > 0 || findings_ > 0 || restarts_ > 0 ||
         streams_.breached() || errors_.breached() || ttfv_.breached() || memory_.breached() ||
         unread_ >= looks_in_a_row || frozen_ >= looks_in_a_row ||
         (limits_.regressions_stop && worse());
}

bool CanaryJudge::passed(const CanaryGate& gate) const {
  // Half-proven faults hold a stage back too: calm() is false while evidence gathers, so users do
  // not double just before the proof is complete.
  return !breached() && !worse() && unread_ == 0 && frozen_ == 0 &&
         streams_.passed(gate.samples_min, gate.cut) &&
         errors_.passed(gate.samples_min, gate.errors) &&
         ttfv_.passed(gate.samples_min, limits_.shares.slow) && streams_compared_.calm() &&
         errors_compared_.calm() && latency_compared_.calm();
}

std::vector<Guardrail> CanaryJudge::guardrails(const CanaryGate& gate) const {
  std::vector<Guardrail> all{
      never("rls_errors", rls_errors_),
      never("aad_mismatches", aad_mismatches_),
      never("isolation_findings", findings_),
      never("restarted", restarts_),
      in_a_row("metrics_unread", unread_),
      in_a_row("metrics_frozen", frozen_),
      share_rail("ttfv_p95_1500ms", ttfv_, gate.samples_min, limits_.shares.slow),
      share_rail("streams_cut", streams_, gate.samples_min, gate.cut),
      share_rail("errors", errors_, gate.samples_min, gate.errors)};
  if (limits_.memory_bytes > 0)
    all.push_back({.name = "memory",
                   .verdict = memory_.breached() ? Verdict::breach : Verdict::ok,
                   .value = memory_.value(),
                   .limit = 0.9});
  const bool stop = limits_.regressions_stop;
  all.push_back(compared_rail("ttfv_vs_stable", latency_compared_.evidence(), latency_worse_ > 0,
                              stop));
  all.push_back(compared_rail("streams_cut_vs_stable", streams_compared_.evidence(),
                              streams_worse_ > 0, stop));
  all.push_back(
      compared_rail("errors_vs_stable", errors_compared_.evidence(), errors_worse_ > 0, stop));
  return all;
}

std::vector<std::pair<std::string_view, double>> CanaryJudge::evidence() const {
  return {{"ttfv_p95_1500ms", ttfv_.evidence()},
          {"streams_cut", streams_.evidence()},
          {"errors", errors_.evidence()}};
}

}  // namespace memseal::policy

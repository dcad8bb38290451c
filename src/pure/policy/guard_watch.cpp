#include "pure/policy/guard_watch.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::policy {

namespace {

constexpr double surely = 2.326, almost_surely = 3.090;
constexpr std::uint64_t compared_least = 100;
constexpr int looks_to_breach = 2, looks_to_calm = 3;

double share_of(const Share& share) {
  return static_cast<double>(share.bad) / static_cast<double>(share.all);
}

/// How many standard errors `now` lies above `before`.
double distance(const Share& before, const Share& now) {
  const auto pooled = static_cast<double>(before.bad + now.bad) /
                      static_cast<double>(before.all + now.all);
  const double variance = pooled * (1 - pooled) *
                          (1 / static_cast<double>(before.all) + 1 / static_cast<double>(now.all));
  return variance > 0 ? (share_of(now) - share_of(before)) / std::sqrt(variance) : 0;
}

}  // namespace

std::vector<Guardrail> against(std::vector<Guardrail> guardrails, const Baseline& baseline) {
  for (auto& one : guardrails) {
    const auto found = baseline.find(one.name);
    if (found == baseline.end() || one.samples_min == 0) continue;
    const auto bad = std::llround(one.value * static_cast<double>(one.samples));
    const Share now{static_cast<std::uint64_t>(bad), one.samples};
    if (now.all < compared_least || found->second.all < compared_least) continue;
    const double worse = distance(found->second, now);
    if (worse > almost_surely)
      one.verdict = std::max(one.verdict, Verdict::breach);
    else if (worse > surely)
      one.verdict = std::max(one.verdict, Verdict::warn);
  }
  return guardrails;
}

Verdict GuardWatch::see(const std::vector<Guardrail>& guardrails) {
  if (held_ == Verdict::breach) return held_;
  const auto seen = verdict_of(guardrails);
  const bool never = std::any_of(guardrails.begin(), guardrails.end(), [](const auto& one) {
    return has_zero_tolerance(one) && one.verdict == Verdict::breach;
  });
  breaches_ = seen == Verdict::breach ? breaches_ + 1 : 0;
  if (never || breaches_ >= looks_to_breach) return held_ = Verdict::breach;
  calm_ = seen < Verdict::warn ? calm_ + 1 : 0;
  if (seen >= Verdict::warn)
    held_ = Verdict::warn;
  else if (held_ != Verdict::warn || calm_ >= looks_to_calm)
    held_ = seen;
  return held_;
}

}  // namespace memseal::policy

#include "pure/policy/guardrail.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::policy {

namespace {

// Quantiles of the normal distribution, one-sided.
constexpr double z_99 = 2.326, z_999 = 3.090;
// No share of fewer samples is certain: a first failure at the start of a service says nothing.
constexpr std::uint64_t samples_least = 20;

/// Lower end of Wilson's interval: the share is above it with the certainty of `z`.
double surely_above(const Share& share, double z) {
  const auto n = static_cast<double>(share.all), p = static_cast<double>(share.bad) / n;
  const double spread = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return (p + z * z / (2 * n) - spread) / (1 + z * z / n);
}

enum class Kind { stops, warns };

Guardrail judge_share(std::string_view name, const Share& share, double limit,
                      std::uint64_t samples_min, Kind kind) {
  Guardrail result{.name = name,
                   .limit = limit,
                   .samples = share.all,
                   .samples_min = samples_min,
                   .stops = kind == Kind::stops};
  if (share.all > 0) result.value = static_cast<double>(share.bad) / static_cast<double>(share.all);
  const bool enough = share.all >= samples_min;
  const bool certain =
      share.all >= samples_least && surely_above(share, enough ? z_99 : z_999) > limit;
  if (certain)
    result.verdict = kind == Kind::stops ? Verdict::breach : Verdict::warn;
  else if (!enough)
    result.verdict = Verdict::inconclusive;
  else if (result.value > limit)
    result.verdict = Verdict::warn;
  return result;
}

Guardrail judge_never(std::string_view name, std::uint64_t events) {
  return {.name = name,
          .verdict = events > 0 ? Verdict::breach : Verdict::ok,
          .value = static_cast<double>(events)};
}

}  // namespace

std::string_view verdict_name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::inconclusive: return "inconclusive";
    case Verdict::warn: return "warn";
    case Verdict::breach: return "breach";
  }
  return "breach";
}

std::vector<Guardrail> judge(const GuardWindow& window, const GuardLimits& limits) {
  // A p95 is over a limit where more than 5 % of the samples are.
  constexpr double search_slow = 0.05, pool_limit = 0.85;
  std::vector<Guardrail> all{
      judge_never("rls_errors", window.rls_errors),
      judge_never("aad_mismatches", window.aad_mismatches),
      judge_never("isolation_findings", window.findings),
      judge_share("ttfv_p95_1500ms", window.ttfv, limits.slow, limits.queries_min, Kind::stops),
      judge_share("response_p95_1500ms", window.response, limits.slow, limits.queries_min,
                  Kind::stops),
      judge_share("streams_cut", window.streams, limits.cut, limits.streams_min, Kind::stops),
      judge_share("errors", window.requests, limits.errors, limits.requests_min, Kind::stops),
      judge_share("search_p95_250ms", window.search, search_slow, limits.queries_min,
                  Kind::warns)};
  all.push_back({.name = "pool_use",
                 .verdict = window.pool_use > pool_limit ? Verdict::warn : Verdict::ok,
                 .value = window.pool_use,
                 .limit = pool_limit,
                 .stops = false});
  all.push_back({.name = "restarted",
                 .verdict = window.restarted ? Verdict::warn : Verdict::ok,
                 .value = window.restarted ? 1.0 : 0.0,
                 .stops = false});
  return all;
}

Verdict verdict_of(const std::vector<Guardrail>& guardrails) {
  auto worst = Verdict::ok;
  for (const auto& guardrail : guardrails) worst = std::max(worst, guardrail.verdict);
  return worst;
}

}  // namespace memseal::policy

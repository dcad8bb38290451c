#pragma once
// Guardrails: whether what a service counted in one window keeps its promises. Pure.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace memseal::policy {

/// From good to bad, so that the worst of several is the greatest.
enum class Verdict {
  ok,
  inconclusive,  ///< too few samples: neither kept nor broken
  warn,          ///< over a limit that stops nothing, or not certainly over one that does
  breach,
};
/// "ok", "inconclusive", "warn" or "breach".
std::string_view verdict_name(Verdict verdict) noexcept;

/// Events of a kind that must not happen, or that must not happen too often.
struct Share {
  std::uint64_t bad = 0, all = 0;
};

/// What a service counted between two moments.
struct GuardWindow {
  double seconds = 0;
  bool restarted = false;             ///< it began within the window; the counts are since then
  std::uint64_t rls_errors = 0;       ///< statements that row-level security refused
  std::uint64_t aad_mismatches = 0;   ///< rows that did not authenticate for their tenant
  std::uint64_t findings = 0;         ///< of the catalog lint, now
  Share ttfv;                         ///< first results after 1.5 s, of all
  Share response;                     ///< queries over 1.5 s, of all
  Share streams;                      ///< event streams cut; those that clients closed are in none
  Share requests;                     ///< 5xx, of all
  Share search;                       ///< searches over 250 ms, of all
  double pool_use = 0;                ///< share of the connections' time that calls used, 0 to 1
};

/// How much of each share is allowed, and from how many samples on it is judged.
struct GuardLimits {
  double slow = 0.05;  ///< of first results and of answers, over 1.5 s: a p95 of 1.5 s
  double cut = 0.004;  ///< of event streams
  double errors = 0.005;
  // 2,500 streams tell 99.0 % from 99.6 % with a certainty of 99.9 %.
  std::uint64_t queries_min = 200, streams_min = 2'500, requests_min = 2'000;
};

/// One promise and how it was kept.
struct Guardrail {
  std::string_view name;
  Verdict verdict = Verdict::ok;
  double value = 0, limit = 0;
  std::uint64_t samples = 0, samples_min = 0;  ///< both 0: not judged by samples
  bool stops = true;  ///< false: over its limit it is a warning, never a reason to act
};

/// Whether one event is a breach, whatever the traffic.
inline bool has_zero_tolerance(const Guardrail& guardrail) noexcept {
  return guardrail.samples_min == 0 && guardrail.limit == 0 && guardrail.stops;
}

/// Judges every guardrail. One event of zero tolerance is a breach, whatever the traffic.
/// A share is judged from a number of samples on. Below, it is inconclusive, unless it is over its
/// limit with a certainty of 99.9 % (Wilson's interval). From there on it is ok within its limit;
/// over it a breach where that is certain to 99 %, else a warning.
/// NOTE: for one look. Who looks again and again until something is found needs a sequential test.
std::vector<Guardrail> judge(const GuardWindow& window, const GuardLimits& limits = {});

/// The worst verdict.
Verdict verdict_of(const std::vector<Guardrail>& guardrails);

}  // namespace memseal::policy

#pragma once
// Guardrails that are looked at again and again. Pure.
#include "pure/policy/guardrail.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::policy {

/// How often a share was bad where all was well: the release before, or last week.
using Baseline = std::map<std::string, Share, std::less<>>;

/// Judges each share against the baseline too. A share that is surely worse (two proportions, one
/// side) is a warning at a certainty of 99 %, a breach at 99.9 %; both have samples enough for it
/// only from 100 on. A guardrail without samples, or which the baseline lacks, stays as it is.
std::vector<Guardrail> against(std::vector<Guardrail> guardrails, const Baseline& baseline);

/// Turns verdicts of single looks into one that does not flutter, because one look of hundreds is
/// bad by chance. Thread: one at a time.
class GuardWatch {
 public:
  /// What holds after one more look. A breach of zero tolerance holds at once, another from the
  /// second look in a row on; until then it is a warning. A breach stays. A warning ends after
  /// three looks in a row without one.
  Verdict see(const std::vector<Guardrail>& guardrails);
  Verdict verdict() const noexcept { return held_; }

 private:
  Verdict held_ = Verdict::inconclusive;
  int breaches_ = 0, calm_ = 0;
};

}  // namespace memseal::policy

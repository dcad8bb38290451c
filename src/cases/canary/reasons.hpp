#pragma once
// Why a rollout ended, in words for an operator.
#include "pure/policy/canary_judge.hpp"

#include <string>
#include <vector>

namespace memseal::canary {

/// All texts with "; " between them.
std::string joined(const std::vector<std::string>& texts);
/// One sentence for each guardrail that is broken.
std::vector<std::string> breaches_of(const std::vector<policy::Guardrail>& rails);
/// What kept a stage from passing. Never empty.
std::vector<std::string> doubts_of(const std::vector<policy::Guardrail>& rails);

}  // namespace memseal::canary

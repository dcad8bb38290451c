#pragma once
// The plan of a rollout, from the options of `memseal canary run`.
#include "app/cli/commands.hpp"
#include "cases/canary/state.hpp"
#include "pure/policy/guardrail.hpp"

namespace memseal::app {

/// A rollout that is to begin. `limits`: shares that are allowed. Error: bad_config; the message
/// names the option.
Result<canary::State> make_canary_state(const CanaryOptions& options,
                                        const policy::GuardLimits& limits);

}  // namespace memseal::app

#pragma once
// Reading what a service was like before.
#include "base/result.hpp"
#include "pure/policy/guard_watch.hpp"

#include <string>
#include <string_view>

namespace memseal::guard {

/// The shares of a report that `guard check --json` printed. Error: bad_config; its message names
/// `file`, where the text comes from.
Result<policy::Baseline> parse_baseline(std::string_view text, const std::string& file);

}  // namespace memseal::guard

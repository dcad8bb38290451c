#pragma once
// What the operating system knows of this process, as metrics.
#include "runtime/metrics.hpp"

#include <string>

namespace memseal::runtime {

/// Sets the metrics of the process to what /proc says now. The names with `process_` are those
/// that Prometheus' own client libraries use, so that dashboards and rules for them fit.
/// NOTE: for the page that is about to be rendered, because nothing else keeps them up to date.
/// Thread: one at a time.
void observe_process(Metrics& metrics);

/// Sets memseal_build_info to 1. `release` tells two releases of one version apart; empty: the
/// version.
void observe_build(Metrics& metrics, const std::string& release);

}  // namespace memseal::runtime

#pragma once
// The traces of a process, as OpenTelemetry's environment variables ask for them.
#include "adapters/otlp/exporter.hpp"
#include "runtime/tracer.hpp"

#include <memory>
#include <span>
#include <string>
#include <utility>

namespace memseal::app {

/// Everything that starts or ends a span is destroyed before it. What waits then is exported.
struct Tracing {
  Tracing(trace::Options options, runtime::Metrics& metrics);

  runtime::Tracer tracer;
  std::unique_ptr<otlp::Exporter> exporter;  ///< null: it cannot be made
};

/// Null: no traces are exported, and nothing is measured for them. A variable that cannot be
/// followed is logged, and never ends the start.
std::unique_ptr<Tracing> make_tracing(
    std::span<const std::pair<std::string, std::string>> environment, const std::string& release,
    runtime::Metrics& metrics);

}  // namespace memseal::app

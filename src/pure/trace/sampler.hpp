#pragma once
#include "pure/trace/context.hpp"

#include <string_view>

namespace memseal::trace {

/// Which traces are told of. A sampled parent's children are, unless `follows_parent` is off.
/// Source: OpenTelemetry specification, "Built-in samplers".
struct Sampler {
  double ratio = 1;            ///< of the traces that begin here, 0 to 1
  bool follows_parent = true;  ///< the parent's decision holds, where there is a parent

  /// Whether a span of `trace_id` is told of. `parent`: null where the trace begins here.
  /// The same trace has the same answer in each process of the same ratio.
  bool samples(const TraceId& trace_id, const SpanContext* parent) const noexcept;
};

}  // namespace memseal::trace

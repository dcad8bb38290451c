#include "pure/trace/sampler.hpp"

namespace memseal::trace {

bool Sampler::samples(const TraceId& trace_id, const SpanContext* parent) const noexcept {
  if (parent != nullptr && follows_parent) return parent->sampled;
  if (ratio >= 1) return true;
  if (ratio <= 0) return false;
  // The last eight bytes, because those are random in every kind of trace id. 63 bits of them are
  // compared, as OpenTelemetry's SDKs for Go and C++ do.
  std::uint64_t random = 0;
  for (std::size_t i = 8; i < trace_id.size(); ++i) random = random << 8 | trace_id[i];
  return random >> 1 < static_cast<std::uint64_t>(ratio * 0x1p63);
}

}  // namespace memseal::trace

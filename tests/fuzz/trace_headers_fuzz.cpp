// What callers, the environment and a receiver of traces say: read, or refused. What is passed on
// is sound.
#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/trace/context.hpp"
#include "pure/trace/options.hpp"
#include "pure/trace/otlp.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

using namespace memseal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto line = bytes.substr(0, bytes.find('\n'));
  const auto rest = bytes.substr(std::min(bytes.size(), line.size() + 1));
  if (const auto context = trace::read_context(line)) {
    for (const auto& [name, value] : trace::headers_of(*context))
      for (const char c : value) MEMSEAL_ASSERT(c >= 0x20 && c <= 0x7e);
    const auto again = trace::parse_traceparent(trace::write_traceparent(*context));
    MEMSEAL_ASSERT(again && again->trace_id == context->trace_id &&
                   again->span_id == context->span_id && again->sampled == context->sampled);
  }
  if (const auto rejected = trace::rejected_spans(bytes)) MEMSEAL_ASSERT(*rejected >= 0);
  const trace::Options::Pairs variables{{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"},
                                        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", std::string(line)},
                                        {"OTEL_EXPORTER_OTLP_HEADERS", std::string(rest)},
                                        {"OTEL_RESOURCE_ATTRIBUTES", std::string(bytes)},
                                        {"OTEL_TRACES_SAMPLER", "traceidratio"},
                                        {"OTEL_TRACES_SAMPLER_ARG", std::string(line)},
                                        {"OTEL_BSP_SCHEDULE_DELAY", std::string(line)}};
  const auto read = trace::read_options(variables);
  MEMSEAL_ASSERT(read.options.sampler.ratio >= 0 && read.options.sampler.ratio <= 1);
  MEMSEAL_ASSERT(read.options.delay.count() > 0);
  for (const auto& [name, value] : read.options.resource)
    MEMSEAL_ASSERT(codec::is_utf8(name) && codec::is_utf8(value));
  for (const auto& [name, value] : read.options.headers)
    for (const unsigned char c : value) MEMSEAL_ASSERT(c >= 0x20 && c != 0x7f);
  return 0;
}

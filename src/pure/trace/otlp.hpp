#pragma once
// The body of an export by OTLP/HTTP in binary Protobuf.
// Source: opentelemetry-proto 1.x, collector/trace/v1/trace_service.proto and trace/v1/trace.proto.
#include "pure/trace/span.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::trace {

/// What produces the spans: names and values.
using Resource = std::vector<std::pair<std::string, std::string>>;

/// An ExportTraceServiceRequest.
/// `scope_version`: of the program, whose name is the scope's.
std::string encode_export(const Resource& resource, std::string_view scope_version,
                          std::span<const SpanData> spans);

/// How many spans an ExportTraceServiceResponse says were rejected; 0 for an empty one.
/// Empty: it is no such message.
std::optional<std::int64_t> rejected_spans(std::string_view response);

}  // namespace memseal::trace

#pragma once
// Sends spans to a receiver of OpenTelemetry traces by OTLP/HTTP.
// Source: OpenTelemetry protocol specification, "OTLP/HTTP".
#include "base/result.hpp"
#include "pure/trace/options.hpp"
#include "runtime/tracer.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace memseal::otlp {

struct ExporterOptions {
  trace::Options trace;
  std::string version;  ///< of the program
  std::chrono::milliseconds flush_timeout{5'000};  ///< of what waits when the exporter ends
  std::chrono::milliseconds backoff_first{1'000}, backoff_max{5'000};  ///< between two tries
};

/// Exports the spans of a Tracer, from a thread of its own.
///
/// A batch that the receiver does not take (429, 502, 503, 504, unreachable) is sent again until
/// export_timeout, at the time that `Retry-After` names; then it is dropped and counted. Every
/// other refusal drops it at once. After a batch that was dropped the receiver is left alone for
/// the time between two exports, or as long as it asked for. Meanwhile the Tracer's queue fills,
/// and no request waits. A failure is logged once, and so is its end.
class Exporter {
 public:
  /// Reads the CA file. Errors: bad_config.
  static Result<std::unique_ptr<Exporter>> make(ExporterOptions options, runtime::Tracer& tracer);
  /// Exports what waits, for flush_timeout at most. NOTE: a lookup of the receiver's name that the
  /// system has begun cannot be ended, and is waited for.
  /// REQUIRES: no thread starts or ends a span.
  ~Exporter();

 private:
  struct Impl;
  explicit Exporter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::otlp

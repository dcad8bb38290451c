#pragma once
// The traces of ingest: a span of each record, which goes on with its producer's trace, and a span
// of each step that many records share. Names of attributes: OpenTelemetry's semantic conventions
// for messaging.
#include "cases/ingest/internal/job.hpp"

#include <optional>
#include <string_view>

namespace memseal::ingest {

/// Begins the span of `job`, whose record was just taken. Nothing without a tracer.
void begin_span(runtime::Tracer* tracer, Job& job);
/// Ends it with what became of the record. REQUIRES: job.outcome.
void end_span(Job& job);

/// Ends the span of a job that leaves without an outcome: another process reads its record, or this
/// one stops. Nothing for a job whose span has ended.
void end_span_of_dropped(Job& job) noexcept;

/// The span of one try of a step. It belongs to the trace of the first job that is traced, and
/// links to those of the others. `jobs` names each job once. It failed unless succeeded() is called
/// before its end.
class StepSpan {
 public:
  StepSpan(runtime::Tracer* tracer, std::string_view step, const Jobs& jobs);
  ~StepSpan();
  StepSpan(const StepSpan&) = delete;
  StepSpan& operator=(const StepSpan&) = delete;

  void set(std::string_view key, std::size_t count);
  void succeeded() noexcept { succeeded_ = true; }

 private:
  std::optional<runtime::Span> span_;
  bool succeeded_ = false;
};

}  // namespace memseal::ingest

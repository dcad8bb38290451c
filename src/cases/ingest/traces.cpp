#include "cases/ingest/internal/record_headers.hpp"
#include "cases/ingest/internal/status.hpp"
#include "cases/ingest/internal/traces.hpp"

#include <exception>
#include <string>

namespace memseal::ingest {

void begin_span(runtime::Tracer* tracer, Job& job) {
  if (tracer == nullptr) return;
  const auto& record = *job.record;
  std::optional<trace::SpanContext> parent;
  if (tracer->propagates())
    parent = trace::read_context(value_of(record, trace::parent_header));
  auto span = tracer->start(trace::SpanKind::consumer, parent ? &*parent : nullptr, true);
  if (!span.is_recorded()) return;
  span.name("process " + record.topic);
  span.set("messaging.system", std::string("kafka"));
  span.set("messaging.operation.name", std::string("process"));
  span.set("messaging.operation.type", std::string("process"));
  span.set("messaging.destination.name", record.topic);
  span.set("messaging.destination.partition.id", std::to_string(record.partition));
  span.set("messaging.kafka.offset", record.offset);
  job.span = std::make_unique<runtime::Span>(std::move(span));
}

void end_span(Job& job) {
  if (!job.span) return;
  job.span->set("memseal.outcome", std::string(outcome_name(*job.outcome)));
  if (job.outcome == Outcome::dead_lettered) {
    job.span->set("error.type", std::string(errc_name(job.error)));
    job.span->set_failed();
  }
  job.span->end();
  job.span = nullptr;
}

void end_span_of_dropped(Job& job) noexcept {
  if (!job.span) return;
  try {
    job.span->set("memseal.outcome", std::string("dropped"));
  } catch (const std::exception&) {
    // Without memory the span has no outcome.
  }
  job.span->end();
  job.span = nullptr;
}

StepSpan::StepSpan(runtime::Tracer* tracer, std::string_view step, const Jobs& jobs) {
  if (tracer == nullptr) return;
  for (const auto* job : jobs) {
    if (!job->span) continue;
    if (span_)
      span_->link(job->span->context());
    else
      span_ = tracer->start(trace::SpanKind::internal, &job->span->context());
  }
  if (!span_) return;
  span_->name("ingest " + std::string(step));
  set("memseal.events", jobs.size());
}

StepSpan::~StepSpan() {
  if (!span_) return;
  if (!succeeded_) span_->set_failed();
  span_->end();
}

void StepSpan::set(std::string_view key, std::size_t count) {
  if (span_) span_->set(key, static_cast<std::int64_t>(count));
}

}  // namespace memseal::ingest

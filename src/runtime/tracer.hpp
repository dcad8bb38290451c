#pragma once
// Measures pieces of work as spans, and keeps those that ended until they are exported.
#include "pure/trace/sampler.hpp"
#include "pure/trace/span.hpp"
#include "runtime/context.hpp"
#include "runtime/metrics.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::runtime {

class Tracer;

/// A piece of work that is being measured. One that is not sampled has a context, for whom the work
/// calls, and keeps nothing else.
/// Thread: one at a time. Lifetime: within the Tracer's.
class Span {
 public:
  const trace::SpanContext& context() const noexcept { return data_.context; }
  bool is_recorded() const noexcept { return data_.context.sampled; }

  /// `key`: a literal. NOTE: no content, no id that a client chose.
  void set(std::string_view key, trace::Value value);
  void set_failed() noexcept { data_.failed = true; }
  void name(std::string name) { data_.name = std::move(name); }
  /// Of a span that this one is about and that is not its parent.
  void link(const trace::SpanContext& to);
  /// Hands the span to the Tracer. Call once, last. Where memory runs out the span is dropped and
  /// counted.
  void end() noexcept;
  /// Tells of a part of this work that ended now and took `took`.
  void part_ended(std::string name, Clock::duration took, std::vector<trace::Attribute> attributes,
                  bool failed = false);

 private:
  friend class Tracer;
  explicit Span(Tracer& tracer) : tracer_(&tracer) {}

  Tracer* tracer_;
  trace::SpanData data_;
  Clock::time_point started_{};
};

/// What the export tells the metrics.
struct TraceMetrics {
  explicit TraceMetrics(Metrics& metrics);
  Counter& exported;      ///< memseal_trace_spans_exported_total
  Counter& queue_full;    ///< memseal_trace_spans_dropped_total{cause}
  Counter& unavailable;   ///< the receiver did not take them in time
  Counter& refused;       ///< the receiver does not want them
  Gauge& waiting;         ///< memseal_trace_spans_waiting
};

/// Thread: any. Never blocks for longer than it takes to move a span.
class Tracer {
 public:
  struct Options {
    trace::Sampler sampler = {};
    std::size_t queue_max = 2'048;  ///< spans that wait; what ends beyond them is dropped, counted
    std::size_t batch_max = 512;    ///< as soon as so many wait, `on_batch` is called
    std::size_t batch_bytes_max = std::size_t{1} << 20;  ///< or so many bytes, about
    bool propagates = true;         ///< whether headers are read and written
    /// Whether a client has a trace recorded that the ratio leaves out. Thread: any. Null: always.
    std::function<bool()> may_ask = {};
  };

  Tracer(Options options, Metrics& metrics);

  /// Begins a span. `parent`: null where the trace begins here.
  /// `is_remote`: the parent is another process's. Such a trace id does not decide what a ratio
  /// takes, because whoever sends it chose it. Where a client (kind server) has its trace recorded
  /// that the ratio leaves out, Options::may_ask bounds it: no one knows yet who the client is.
  Span start(trace::SpanKind kind, const trace::SpanContext* parent, bool is_remote = false);
  bool propagates() const noexcept { return options_.propagates; }

  /// Of the spans that wait the oldest, at most batch_max, and no more once they have
  /// batch_bytes_max.
  std::vector<trace::SpanData> take();
  /// Whether a batch is full.
  bool has_batch() const;
  /// Called from the thread whose span fills a batch. Set before any span is started, or cleared
  /// after all have ended.
  void on_batch(std::function<void()> full) { on_batch_ = std::move(full); }
  TraceMetrics& metrics() noexcept { return metrics_; }

 private:
  friend class Span;
  void keep(trace::SpanData span);
  bool samples(trace::SpanKind kind, const trace::TraceId& trace_id,
               const trace::SpanContext* parent, bool is_remote);
  bool is_full() const noexcept;  // REQUIRES: guard_ is held

  const Options options_;
  TraceMetrics metrics_;
  std::function<void()> on_batch_;
  mutable std::mutex guard_;
  std::deque<trace::SpanData> waiting_;
  std::size_t waiting_bytes_ = 0;
};

}  // namespace memseal::runtime

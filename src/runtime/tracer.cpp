#include "runtime/tracer.hpp"

#include "runtime/observe.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <span>

namespace memseal::runtime {

namespace {

std::int64_t unix_ns() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::int64_t nanoseconds(Clock::duration took) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(took).count();
}

/// Ids need to be unique and not secret, so no secure generator is asked for each.
void fill_id(std::span<std::uint8_t> id) {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::array<std::random_device::result_type, 8> words;
    for (auto& word : words) word = device();
    std::seed_seq seed(words.begin(), words.end());
    return std::mt19937_64(seed);
  }();
  do {
    for (std::size_t i = 0; i < id.size(); i += 8) {
      auto number = random();
      for (std::size_t at = i; at < i + 8; ++at, number >>= 8)
        id[at] = static_cast<std::uint8_t>(number);
    }
  } while (std::all_of(id.begin(), id.end(), [](auto byte) { return byte == 0; }));
}

/// About what the span takes in an export. Counted low is no harm: a batch is that much larger.
std::size_t bytes_of(const trace::SpanData& span) noexcept {
  constexpr std::size_t fixed = 80, of_attribute = 12, of_link = 35;
  std::size_t bytes = fixed + span.name.size() + of_link * span.links.size();
  for (const auto& [key, value] : span.attributes) {
    const auto* text = std::get_if<std::string>(&value);
    bytes += of_attribute + key.size() + (text ? text->size() : 0);
  }
  return bytes;
}

constexpr const char* dropped_name = "memseal_trace_spans_dropped_total";
constexpr const char* dropped_help = "Spans that were not exported, by why.";

}  // namespace

TraceMetrics::TraceMetrics(Metrics& metrics)
    : exported(metrics.counter("memseal_trace_spans_exported_total",
                               "Spans that the receiver of traces took.")),
      queue_full(metrics.counter(dropped_name, dropped_help, {{"cause", "queue_full"}})),
      unavailable(metrics.counter(dropped_name, dropped_help, {{"cause", "unavailable"}})),
      refused(metrics.counter(dropped_name, dropped_help, {{"cause", "refused"}})),
      waiting(metrics.gauge("memseal_trace_spans_waiting", "Spans that wait to be exported.")) {}

void Span::set(std::string_view key, trace::Value value) {
  if (is_recorded()) data_.attributes.push_back({key, std::move(value)});
}

void Span::link(const trace::SpanContext& to) {
  if (!is_recorded()) return;
  if (data_.links.size() < trace::links_max)
    data_.links.push_back(to);
  else
    ++data_.links_dropped;
}

void Span::end() noexcept {
  if (!is_recorded()) return;
  // By the steady clock, because the wall clock may be set meanwhile.
  data_.end_ns = data_.start_ns + nanoseconds(Clock::now() - started_);
  try {
    tracer_->keep(std::move(data_));
  } catch (const std::exception&) {
    tracer_->metrics_.queue_full.Increment();
  }
}

void Span::part_ended(std::string name, Clock::duration took,
                      std::vector<trace::Attribute> attributes, bool failed) {
  if (!is_recorded()) return;
  trace::SpanData part;
  part.context = data_.context;
  fill_id(part.context.span_id);
  part.parent = data_.context.span_id;
  part.name = std::move(name);
  part.end_ns = data_.start_ns + nanoseconds(Clock::now() - started_);
  part.start_ns = std::max(data_.start_ns, part.end_ns - nanoseconds(took));
  part.attributes = std::move(attributes);
  part.failed = failed;
  tracer_->keep(std::move(part));
}

Tracer::Tracer(Options options, Metrics& metrics)
    : options_(std::move(options)), metrics_(metrics) {}

bool Tracer::samples(trace::SpanKind kind, const trace::TraceId& trace_id,
                     const trace::SpanContext* parent, bool is_remote) {
  const auto& sampler = options_.sampler;
  if (parent == nullptr) return sampler.samples(trace_id, nullptr);
  if (!is_remote) return parent->sampled;
  trace::TraceId drawn{};
  fill_id(drawn);
  const bool by_ratio = sampler.samples(drawn, nullptr);
  if (!sampler.follows_parent) return by_ratio;
  if (!parent->sampled || by_ratio || kind != trace::SpanKind::server) return parent->sampled;
  return !options_.may_ask || options_.may_ask();
}

Span Tracer::start(trace::SpanKind kind, const trace::SpanContext* parent, bool is_remote) {
  Span span(*this);
  auto& data = span.data_;
  if (parent != nullptr)
    data.context = *parent;
  else
    fill_id(data.context.trace_id);
  data.context.sampled = samples(kind, data.context.trace_id, parent, is_remote);
  fill_id(data.context.span_id);
  if (!data.context.sampled) return span;
  if (parent != nullptr) {
    data.parent = parent->span_id;
    data.parent_is_remote = is_remote;
  }
  data.kind = kind;
  data.start_ns = unix_ns();
  span.started_ = Clock::now();
  return span;
}

bool Tracer::is_full() const noexcept {
  return waiting_.size() >= options_.batch_max || waiting_bytes_ >= options_.batch_bytes_max;
}

bool Tracer::has_batch() const {
  const std::lock_guard lock(guard_);
  return is_full();
}

void Tracer::keep(trace::SpanData span) {
  const auto bytes = bytes_of(span);
  std::size_t count = 0;
  bool fills = false;
  {
    const std::lock_guard lock(guard_);
    if (waiting_.size() < options_.queue_max) {
      const bool was_full = is_full();
      waiting_.push_back(std::move(span));
      waiting_bytes_ += bytes;
      count = waiting_.size();
      fills = !was_full && is_full();
    }
  }
  if (count == 0) return metrics_.queue_full.Increment();
  metrics_.waiting.Set(static_cast<double>(count));
  if (fills && on_batch_) on_batch_();
}

std::vector<trace::SpanData> Tracer::take() {
  std::vector<trace::SpanData> taken;
  taken.reserve(std::min<std::size_t>(options_.batch_max, 512));
  const std::lock_guard lock(guard_);
  for (std::size_t bytes = 0; !waiting_.empty() && taken.size() < options_.batch_max &&
                              bytes < options_.batch_bytes_max;) {
    const auto more = bytes_of(waiting_.front());
    taken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    waiting_bytes_ -= more;
    bytes += more;
  }
  metrics_.waiting.Set(static_cast<double>(waiting_.size()));
  return taken;
}

}  // namespace memseal::runtime

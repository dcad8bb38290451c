// trace_query: what one traced query costs the processor: the spans of its request and of its four
// stages, kept and encoded for the export. Untraced it costs a comparison with null. The rival is
// what every query costs already for the metrics: five observations of histograms. Processor time,
// one thread, in turns.
#include "bench.hpp"
#include "pure/trace/otlp.hpp"
#include "runtime/observe.hpp"
#include "runtime/tracer.hpp"

#include <array>
#include <string>
#include <vector>

namespace {

using namespace memseal;

constexpr int rounds = 9, queries = 20'000;
constexpr std::array stages{"query embed", "query search", "query open", "query rerank"};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

/// Microseconds of one query.
template <class Work>
double cost_us(Work work) {
  const auto start = cpu_seconds();
  for (int i = 0; i < queries; ++i) work();
  return (cpu_seconds() - start) / queries * 1e6;
}

void trace_one(runtime::Tracer& tracer, const trace::SpanContext& caller) {
  auto span = tracer.start(trace::SpanKind::server, &caller, true);
  for (const auto* stage : stages)
    span.part_ended(stage, std::chrono::microseconds(500),
                    {{"memseal.count", std::int64_t{24}}, {"memseal.outcome", std::string("ok")}});
  span.name("POST /api/v1/memory/query");
  span.set("http.request.method", std::string("POST"));
  span.set("http.route", std::string("/api/v1/memory/query"));
  span.set("http.response.status_code", std::int64_t{200});
  span.set("url.scheme", std::string("http"));
  span.set("network.protocol.version", std::string("1.1"));
  span.set("memseal.request_id", std::string("0123456789abcdef-0123"));
  span.end();
}

void observe_one(runtime::Histogram& histogram) {
  for (std::size_t i = 0; i <= stages.size(); ++i)
    runtime::observe(histogram, std::chrono::microseconds(500));
}

}  // namespace

int main() {
  runtime::Metrics metrics;
  runtime::Tracer tracer({.queue_max = 2'048, .batch_max = 512}, metrics);
  auto& histogram = metrics.histogram("seconds", "Seconds.", runtime::latency_buckets_s());
  const auto caller = *trace::parse_traceparent(
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  const trace::Resource resource{{"service.name", "memseal"}};
  std::vector<double> ours, rival, ratios;
  for (int round = 0; round < rounds; ++round) {
    int since_export = 0;
    ours.push_back(cost_us([&] {
      trace_one(tracer, caller);
      if (++since_export < 100) return;
      since_export = 0;
      const auto body = trace::encode_export(resource, "0.1.0", tracer.take());
      bench::keep(body);
    }));
    tracer.take();
    rival.push_back(cost_us([&] { observe_one(histogram); }));
    ratios.push_back(ours.back() / rival.back());
  }
  bench::print({.id = "trace_query",
                .ours = bench::median(ours),
                .rival = bench::median(rival),
                .rival_name = "five observations of histograms",
                .ratio = bench::median(ratios),
                .unit = "us",
                .better = "lower",
                .runs = rounds});
}

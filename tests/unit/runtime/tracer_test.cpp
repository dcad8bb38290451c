#include "runtime/tracer.hpp"

#include "pure/trace/otlp.hpp"
#include "support/contains.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace memseal::runtime {
namespace {

trace::SpanContext caller(bool sampled) {
  auto context = *trace::parse_traceparent(
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  context.sampled = sampled;
  return context;
}

TEST(Tracer, KeepsASpanOfTheCallersTrace) {
  Metrics metrics;
  Tracer tracer({}, metrics);
  const auto parent = caller(true);
  auto span = tracer.start(trace::SpanKind::server, &parent, true);
  EXPECT_TRUE(span.is_recorded());
  EXPECT_EQ(span.context().trace_id, parent.trace_id);
  EXPECT_NE(span.context().span_id, parent.span_id);
  span.name("work");
  span.set("count", std::int64_t{3});
  span.part_ended("part", std::chrono::hours(1), {{"n", std::int64_t{1}}}, true);
  const auto own = span.context();
  span.end();

  const auto spans = tracer.take();
  ASSERT_EQ(spans.size(), 2u);
  const auto& part = spans[0];
  EXPECT_EQ(part.parent, own.span_id);
  EXPECT_EQ(part.context.trace_id, own.trace_id);
  EXPECT_NE(part.context.span_id, own.span_id);
  EXPECT_TRUE(part.failed);
  EXPECT_FALSE(part.parent_is_remote);
  const auto& whole = spans[1];
  EXPECT_EQ(whole.parent, parent.span_id);
  EXPECT_TRUE(whole.parent_is_remote);
  EXPECT_EQ(whole.name, "work");
  EXPECT_FALSE(whole.failed);
  // A part does not begin before the whole, whatever it says that it took.
  EXPECT_GE(part.start_ns, whole.start_ns);
  EXPECT_LE(part.end_ns, whole.end_ns);
  EXPECT_TRUE(tracer.take().empty());
}

TEST(Tracer, KeepsNothingOfATraceThatTheCallerDoesNotSample) {
  Metrics metrics;
  Tracer tracer({}, metrics);
  const auto parent = caller(false);
  auto span = tracer.start(trace::SpanKind::server, &parent, true);
  EXPECT_FALSE(span.is_recorded());
  // Those whom the work calls must see the decision.
  EXPECT_TRUE(trace::write_traceparent(span.context()).ends_with("-00"));
  EXPECT_EQ(span.context().trace_id, parent.trace_id);
  span.set("count", true);
  span.link(parent);
  span.part_ended("part", {}, {});
  span.end();
  EXPECT_TRUE(tracer.take().empty());
}

TEST(Tracer, GivesEachSpanAnIdOfItsOwnOnEveryThread) {
  Metrics metrics;
  Tracer tracer({.queue_max = 4'000, .batch_max = 4'000}, metrics);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 1'000; ++n) tracer.start(trace::SpanKind::internal, nullptr).end();
    });
  for (auto& thread : threads) thread.join();
  std::set<trace::TraceId> traces;
  std::set<trace::SpanId> ids;
  for (const auto& span : tracer.take()) {
    traces.insert(span.context.trace_id);
    ids.insert(span.context.span_id);
  }
  EXPECT_EQ(traces.size(), 4'000u);
  EXPECT_EQ(ids.size(), 4'000u);
}

TEST(Tracer, DropsAndCountsWhatTheQueueCannotTake) {
  Metrics metrics;
  Tracer tracer({.queue_max = 5, .batch_max = 2}, metrics);
  int full = 0;
  tracer.on_batch([&] { ++full; });
  for (int i = 0; i < 8; ++i) tracer.start(trace::SpanKind::internal, nullptr).end();
  EXPECT_EQ(full, 1);
  EXPECT_TRUE(test::contains(metrics.render(),
                             "memseal_trace_spans_dropped_total{cause=\"queue_full\"} 3\n"));
  EXPECT_TRUE(test::contains(metrics.render(), "memseal_trace_spans_waiting 5\n"));
  EXPECT_EQ(tracer.take().size(), 2u);
  EXPECT_EQ(tracer.take().size(), 2u);
  EXPECT_EQ(tracer.take().size(), 1u);
}

/// Of 1,000 spans of one caller's trace.
int recorded(Tracer& tracer, trace::SpanKind kind, const trace::SpanContext& parent) {
  int count = 0;
  for (int i = 0; i < 1'000; ++i) count += tracer.start(kind, &parent, true).is_recorded();
  return count;
}

TEST(Tracer, BoundsWhatClientsHaveRecordedBeyondTheRatio) {
  Metrics metrics;
  int left = 3;
  const auto three = [&] { return left-- > 0; };
  Tracer tracer({.sampler = {0, true}, .may_ask = three}, metrics);
  EXPECT_EQ(recorded(tracer, trace::SpanKind::server, caller(false)), 0);
  EXPECT_EQ(recorded(tracer, trace::SpanKind::server, caller(true)), 3);
  // Whoever may publish is known.
  EXPECT_EQ(recorded(tracer, trace::SpanKind::consumer, caller(true)), 1'000);
  Tracer all({.sampler = {1, true}, .may_ask = three}, metrics);
  EXPECT_EQ(recorded(all, trace::SpanKind::server, caller(true)), 1'000);
}

TEST(Tracer, DrawsForItselfWhereTheCallerChoseTheTraceId) {
  Metrics metrics;
  Tracer tracer({.sampler = {0.5, false}}, metrics);
  auto low = caller(true);
  low.trace_id.fill(0);
  low.trace_id[0] = 1;  // Each ratio above 0 takes it, by its id.
  const int count = recorded(tracer, trace::SpanKind::server, low);
  // 16 standard deviations around 500.
  EXPECT_GT(count, 250);
  EXPECT_LT(count, 750);
  Tracer none({.sampler = {0, false}}, metrics);
  EXPECT_EQ(recorded(none, trace::SpanKind::server, low), 0);
  // What goes on within the process follows what was decided at its door.
  EXPECT_TRUE(none.start(trace::SpanKind::internal, &low, false).is_recorded());
}

TEST(Tracer, EndsABatchAtItsBytes) {
  Metrics metrics;
  Tracer tracer({.batch_bytes_max = 20'000}, metrics);
  int full = 0;
  tracer.on_batch([&] { ++full; });
  for (int i = 0; i < 10; ++i) {
    auto span = tracer.start(trace::SpanKind::internal, nullptr);
    for (std::size_t n = 0; n < trace::links_max; ++n) span.link(caller(true));
    span.end();
  }
  EXPECT_EQ(full, 1);
  std::size_t count = 0;
  while (tracer.has_batch()) {
    const auto batch = tracer.take();
    count += batch.size();
    EXPECT_EQ(batch.size(), 5u) << "each has some 4,600 bytes";
    EXPECT_LT(trace::encode_export({}, "1", batch).size(), 20'000u + 5'000u);
  }
  EXPECT_EQ(count + tracer.take().size(), 10u);
}

TEST(Tracer, BoundsTheLinksOfASpan) {
  Metrics metrics;
  Tracer tracer({}, metrics);
  auto span = tracer.start(trace::SpanKind::internal, nullptr);
  for (std::size_t i = 0; i < trace::links_max + 3; ++i) span.link(caller(true));
  span.end();
  const auto spans = tracer.take();
  EXPECT_EQ(spans.at(0).links.size(), trace::links_max);
  EXPECT_EQ(spans.at(0).links_dropped, 3u);
}

}  // namespace
}  // namespace memseal::runtime

// What ingest tells a tracer: a span of each record, and one of each step that records share.
#include "rig.hpp"

#include "pure/trace/otlp.hpp"
#include "runtime/task_group.hpp"
#include "support/contains.hpp"

#include <algorithm>

namespace memseal::ingest {
namespace {

const std::string sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const std::string unsampled = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

struct TracesTest : Rig {
  TracesTest() { tracer = &spans; }

  ports::Record traced(const std::string& user, const std::string& id, const std::string& parent) {
    auto one = good(user, id);
    one.headers.emplace_back("traceparent", parent);
    return one;
  }
  std::vector<trace::SpanData> named(const std::vector<trace::SpanData>& all,
                                     const std::string& name) {
    std::vector<trace::SpanData> found;
    for (const auto& span : all)
      if (span.name == name) found.push_back(span);
    return found;
  }
  static std::string text_of(const trace::SpanData& span, std::string_view key) {
    for (const auto& attribute : span.attributes)
      if (attribute.key == key) {
        const auto* text = std::get_if<std::string>(&attribute.value);
        return text ? *text : std::to_string(std::get<std::int64_t>(attribute.value));
      }
    return "(none)";
  }

  runtime::Tracer spans{{}, metrics};
};

TEST_F(TracesTest, GoOnWithTheProducersTraceAndLinkTheOthers) {
  const auto parent = *trace::parse_traceparent(sampled);
  push({traced("alice", "1", sampled), good("alice", "2"), traced("alice", "3", unsampled)});
  run();
  ASSERT_EQ(stored("alice").size(), 3u);
  const auto all = spans.take();
  // The producer of the third does not sample.
  const auto records = named(all, "process memory.upload.v1");
  ASSERT_EQ(records.size(), 2u);
  const auto of_parent = std::ranges::find(records, parent.trace_id,
                                           [](const auto& span) { return span.context.trace_id; });
  ASSERT_NE(of_parent, records.end());
  EXPECT_EQ(of_parent->parent, parent.span_id);
  EXPECT_TRUE(of_parent->parent_is_remote);
  EXPECT_EQ(of_parent->kind, trace::SpanKind::consumer);
  EXPECT_EQ(text_of(*of_parent, "messaging.system"), "kafka");
  EXPECT_EQ(text_of(*of_parent, "messaging.destination.name"), "memory.upload.v1");
  EXPECT_EQ(text_of(*of_parent, "messaging.kafka.offset"), "0");
  EXPECT_EQ(text_of(*of_parent, "memseal.outcome"), "ingested");
  const auto& other = records[of_parent == records.begin() ? 1 : 0];
  EXPECT_EQ(other.parent, trace::SpanId{});
  for (const auto* step : {"ingest prepare", "ingest embed", "ingest seal", "ingest store"}) {
    const auto steps = named(all, step);
    ASSERT_EQ(steps.size(), 1u) << step;
    EXPECT_EQ(steps[0].parent, of_parent->context.span_id) << step;
    ASSERT_EQ(steps[0].links.size(), 1u) << step;
    EXPECT_EQ(steps[0].links[0].span_id, other.context.span_id) << step;
    EXPECT_EQ(text_of(steps[0], "memseal.events"), "3") << step;
    EXPECT_FALSE(steps[0].failed) << step;
  }
}

TEST_F(TracesTest, LinkEachOtherEventOfASliceOnce) {
  options.rules.tokens = 8;
  options.pace = {.first = 4'096, .least = 4'096, .most = 4'096};
  options.embed_chunks_max = 512;
  const auto large = [&](const std::string& user, const std::string& words) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += words + " hello world hello world hello\n\n";
    return record(user, upload(user, "1", text));
  };
  push({large("alice", "and"), large("bob", "note")});
  run();
  // The queue takes by turns, so a slice has chunks of one, of the other, and of the first again.
  std::size_t most_turns = 0;
  for (const auto& slice : embedder.batches) {
    std::size_t turns = 0;
    for (std::size_t i = 1; i < slice.size(); ++i)
      turns += slice[i].text.starts_with("and") != slice[i - 1].text.starts_with("and");
    most_turns = std::max(most_turns, turns);
  }
  EXPECT_GE(most_turns, 2u);
  std::size_t shared = 0;
  const auto all = spans.take();
  for (const auto& step : named(all, "ingest embed")) {
    ASSERT_LE(step.links.size(), 1u);
    EXPECT_EQ(text_of(step, "memseal.events"), std::to_string(step.links.size() + 1));
    shared += step.links.size();
    for (const auto& link : step.links) EXPECT_NE(link.span_id, step.parent);
  }
  EXPECT_GE(shared, 1u);
}

TEST_F(TracesTest, TellAFailedTryAndADeadLetterWithoutAWordOfTheEvent) {
  store.faults.next.push_back(Errc::unavailable);
  push({traced("alice", "1", sampled), record("alice", "no event: marker-word")});
  run();
  const auto all = spans.take();
  const auto stores = named(all, "ingest store");
  ASSERT_EQ(stores.size(), 2u);
  EXPECT_TRUE(stores[0].failed);
  EXPECT_FALSE(stores[1].failed);
  const auto records = named(all, "process memory.upload.v1");
  const auto dead = std::ranges::find_if(records, [](const auto& span) { return span.failed; });
  ASSERT_NE(dead, records.end());
  EXPECT_EQ(text_of(*dead, "memseal.outcome"), "dead_lettered");
  EXPECT_NE(text_of(*dead, "error.type"), "(none)");
  const auto exported = trace::encode_export({}, "1", all);
  for (const auto& word : {"marker", "alice", "hello", "doc-1", "notes"})
    EXPECT_FALSE(test::contains(exported, word)) << word;
}

TEST_F(TracesTest, EndTheSpanOfARecordThatLeaves) {
  push({traced("alice", "1", sampled)});
  // Another process has its partition by the time that it is embedded.
  embedder.check = [&](const auto&) { source.take_away("memory.upload.v1", 0); };
  run();
  const auto all = spans.take();
  const auto records = named(all, "process memory.upload.v1");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(text_of(records[0], "memseal.outcome"), "dropped");
  for (const auto& step : named(all, "ingest embed"))
    EXPECT_EQ(step.parent, records[0].context.span_id);
}

TEST_F(TracesTest, EndTheSpanOfARecordThatIsInWorkAtTheStop) {
  push({traced("alice", "1", sampled)});
  embedder.hangs = [](const auto&) { return true; };
  embedder.check = [&](const auto&) { loop.stop(); };
  EXPECT_TRUE(spans.take().empty());
  {
    Worker worker(deps(), options);
    runtime::TaskGroup tasks(loop.get_executor());
    tasks.spawn(worker.run());
    loop.run();
    loop.restart();
    tasks.cancel();
    loop.run();
  }
  const auto records = named(spans.take(), "process memory.upload.v1");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(text_of(records[0], "memseal.outcome"), "dropped");
}

TEST_F(TracesTest, AreNothingWithoutATracer) {
  tracer = nullptr;
  push({traced("alice", "1", sampled)});
  run();
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_TRUE(spans.take().empty());
}

}  // namespace
}  // namespace memseal::ingest

// The spans of requests, and the trace that a request hands to the event it publishes.
#include "pure/trace/otlp.hpp"
#include "support/contains.hpp"
#include "unit/http/fixture.hpp"

#include <algorithm>

namespace memseal::test {
namespace {

const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";

class TracesTest : public ServerTest {
 protected:
  TracesTest() { options.tracer = &tracer; }

  const trace::SpanData* find(const std::string& name) {
    const auto found = std::ranges::find(spans, name, &trace::SpanData::name);
    return found == spans.end() ? nullptr : &*found;
  }
  static std::string text_of(const trace::SpanData& span, std::string_view key) {
    for (const auto& attribute : span.attributes)
      if (attribute.key == key) {
        const auto* text = std::get_if<std::string>(&attribute.value);
        return text ? *text : std::to_string(std::get<std::int64_t>(attribute.value));
      }
    return "(none)";
  }
  /// The spans of what was asked until now.
  void end() {
    stop();
    spans = tracer.take();
  }

  runtime::Tracer tracer{{}, world.metrics};
  std::vector<trace::SpanData> spans;
};

TEST_F(TracesTest, TellAQueryAndItsStages) {
  world.fill("ada", 3);
  start();
  const auto fields = "traceparent: " + parent + "01\r\ntracestate: marker=marker\r\n";
  ASSERT_EQ(ask(post(query_path, R"({"query":"marker-word"})", fields)).status, 200);
  end();
  const auto* request = find("POST " + std::string(query_path));
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->context.trace_id, trace::parse_traceparent(parent + "01")->trace_id);
  EXPECT_EQ(request->parent, trace::parse_traceparent(parent + "01")->span_id);
  EXPECT_TRUE(request->parent_is_remote);
  EXPECT_EQ(request->kind, trace::SpanKind::server);
  EXPECT_EQ(text_of(*request, "http.request.method"), "POST");
  EXPECT_EQ(text_of(*request, "http.route"), query_path);
  EXPECT_EQ(text_of(*request, "http.response.status_code"), "200");
  EXPECT_FALSE(request->failed);
  for (const auto* stage : {"query embed", "query search", "query open", "query rerank"}) {
    const auto* part = find(stage);
    ASSERT_NE(part, nullptr) << stage;
    EXPECT_EQ(part->parent, request->context.span_id) << stage;
    EXPECT_EQ(text_of(*part, "memseal.outcome"), "ok") << stage;
  }
  EXPECT_EQ(text_of(*find("query open"), "memseal.count"), "3");
  const auto exported = trace::encode_export({}, "1", spans);
  for (const auto& word : {"marker", "passage", "ada"})
    EXPECT_FALSE(contains(exported, word)) << word;
}

TEST_F(TracesTest, HaveTheTemplateOfARouteAndNothingThatAClientChose) {
  start();
  EXPECT_EQ(ask(head("GET /api/v1/operations/marker-id", "ada",
                     "X-Request-ID: marker-request\r\n") +
                "\r\n")
                .status,
            404);
  ask(head("MARKER /marker-path?marker-query") + "\r\n");
  EXPECT_EQ(ask(get("/health")).status, 200);
  end();
  ASSERT_EQ(spans.size(), 2u) << "a probe has no span";
  EXPECT_EQ(spans[0].name, "GET /api/v1/operations/{id}");
  EXPECT_EQ(text_of(spans[0], "memseal.request_id"), "(none)");
  EXPECT_FALSE(spans[0].failed) << "the client is to blame for a 404";
  EXPECT_EQ(spans[1].name, "HTTP");
  EXPECT_EQ(text_of(spans[1], "http.request.method"), "_OTHER");
  EXPECT_NE(text_of(spans[1], "memseal.request_id"), "(none)");
  const auto exported = trace::encode_export({}, "1", spans);
  EXPECT_FALSE(contains(exported, "marker") || contains(exported, "MARKER"));
}

TEST_F(TracesTest, GoOnInTheEventThatARequestPublishes) {
  start();
  const auto published = [&](const std::string& flags) {
    EXPECT_EQ(ask(post("/api/v1/memory/index", R"({"text":"hello"})",
                       "traceparent: " + parent + flags + "\r\ntracestate: marker=1\r\n"))
                  .status,
              202);
    return on_loop([&] {
      std::string value;
      for (const auto& [name, content] : sink.records.back().headers) {
        if (name == "traceparent") value = content;
        EXPECT_FALSE(contains(name, "tracestate") || contains(content, "marker")) << name;
      }
      return value;
    });
  };
  const auto of_sampled = published("01"), of_unsampled = published("00");
  end();
  const auto* request = find("POST /api/v1/memory/index");
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(of_sampled, trace::write_traceparent(request->context));
  EXPECT_TRUE(of_unsampled.starts_with(parent.substr(0, 36)) && of_unsampled.ends_with("-00"));
  EXPECT_EQ(spans.size(), 1u);
}

TEST_F(TracesTest, AreNothingWithoutATracer) {
  options.tracer = nullptr;
  start();
  ask(post("/api/v1/memory/index", R"({"text":"hello"})", "traceparent: " + parent + "01\r\n"));
  end();
  EXPECT_TRUE(spans.empty());
  for (const auto& [name, value] : sink.records.at(0).headers) EXPECT_NE(name, "traceparent");
}

}  // namespace
}  // namespace memseal::test

// Event streams: their vocabulary, their ends, their silence.
#include "unit/http/fixture.hpp"

#include "pure/wire/sse.hpp"

#include <boost/json/parse.hpp>

#include <sys/socket.h>

namespace memseal::test {
namespace {

namespace json = boost::json;

const std::string streamed = "Accept: text/event-stream\r\n";

class StreamTest : public ServerTest {
 protected:
  static std::vector<wire::SseEvent> events_of(const std::string& body) {
    std::vector<wire::SseEvent> events;
    wire::SseParser().feed(body, [&](const wire::SseEvent& event) { events.push_back(event); });
    return events;
  }
  static std::vector<std::string> types_of(const std::string& body) {
    std::vector<std::string> types;
    for (const auto& event : events_of(body)) types.push_back(event.type);
    return types;
  }
  double streams(http::StreamEnd end) { return probe.streams(end).Value(); }
  double cut(const char* cause) { return probe.streams_cut(cause).Value(); }
};

TEST_F(StreamTest, StartsAnswersAndCompletes) {
  world.fill("ada", 10);
  start();
  const auto answer = ask(post(query_path, R"({"query":"where?","top_k":3})", streamed));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.field("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(answer.field("cache-control"), "no-store");
  EXPECT_EQ(answer.field("x-accel-buffering"), "no");
  EXPECT_EQ(answer.field("transfer-encoding"), "chunked");
  EXPECT_TRUE(answer.body.starts_with("retry: 3000\nid: ")) << answer.body;

  const auto events = events_of(answer.body);
  EXPECT_EQ(types_of(answer.body),
            (std::vector<std::string>{"query.started", "query.result", "query.result",
                                      "query.result", "query.completed"}));
  std::string query_id;
  for (std::size_t n = 0; n < events.size(); ++n) {
    const auto data = json::parse(events[n].data);
    if (n == 0) query_id = data.at("query_id").as_string();
    EXPECT_EQ(events[n].id, query_id + ":" + std::to_string(n) + (n == 4 ? ":end" : ""));
    EXPECT_EQ(data.at("type").as_string(), events[n].type);
    EXPECT_EQ(data.at("sequence_number"), n);
  }
  EXPECT_EQ(json::parse(events[0].data).at("request_id").as_string(),
            answer.field("x-request-id"));
  EXPECT_EQ(json::parse(events[0].data).at("limits").at("top_k"), 3);
  const auto first = json::parse(events[1].data);
  EXPECT_EQ(first.at("text"), "passage 9");
  EXPECT_EQ(first.at("final"), true);
  const auto last = json::parse(events[4].data);
  EXPECT_EQ(last.at("count"), 3);
  EXPECT_EQ(last.at("reranked"), true);
  EXPECT_TRUE(last.at("timings").as_object().contains("search_ms"));
  EXPECT_TRUE(eventually([&] { return streams(http::StreamEnd::completed) == 1; }));
  EXPECT_EQ(probe.streams_started.Value(), 1);
}

TEST_F(StreamTest, EveryBlockHoldsAnEvent) {
  // Some clients make an event of each block, also of one without data.
  world.fill("ada", 2);
  world.embedder.faults.delay = 200ms;
  options.keepalive = 50ms;
  start();
  const auto body = ask(post(query_path, question, streamed)).body;
  EXPECT_NE(body.find(": ka\n"), std::string::npos);
  std::size_t blocks = 0;
  for (std::size_t at = 0; at < body.size(); ++blocks) {
    const auto end = body.find("\n\n", at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_NE(body.substr(at, end - at).find("\ndata: {"), std::string::npos) << body;
    at = end + 2;
  }
  EXPECT_EQ(blocks, events_of(body).size());
}

TEST_F(StreamTest, EscapesTheLineSeparatorsOfUnicode) {
  const auto owner = world.tenant("ada");
  const std::string text = "lit.\xe2\x80\xa8mixed.\xe2\x80\xa9the\xc2\x85jar 1";
  world.search.rows[owner].push_back(world.sealed(owner, 1, text));
  start();
  const auto stream = ask(post(query_path, question, streamed));
  const auto whole = ask(post(query_path, question));
  for (const auto& body : {stream.body, whole.body}) {
    EXPECT_NE(body.find("lit.\\u2028mixed.\\u2029the\\u0085jar 1"), std::string::npos) << body;
    EXPECT_EQ(body.find("\xe2\x80\xa8"), std::string::npos);
  }
  EXPECT_EQ(json::parse(events_of(stream.body).at(1).data).at("text").as_string(), text);
}

TEST_F(StreamTest, TellsAClientThatReconnectsAfterTheEndToStop) {
  world.fill("ada", 1);
  start();
  const auto again = [&](const std::string& last) {
    return ask(post(query_path, question, streamed + "Last-Event-ID: " + last + "\r\n"));
  };
  const auto completed = events_of(ask(post(query_path, question, streamed)).body);
  const auto asked = on_loop([&] { return limiter.asked; });
  EXPECT_EQ(again(completed.back().id).status, 204);
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), asked) << "costs nothing of the bucket";
  EXPECT_EQ(again(completed.front().id).status, 200) << "the end was not received";
  const auto elsewhere = ask(post("/api/v1/memory/index", R"({"text":"x","name":"x"})",
                                  "Last-Event-ID: " + completed.back().id + "\r\n"));
  EXPECT_EQ(elsewhere.status, 202) << "no other request is swallowed";
  EXPECT_EQ(again("3").status, 200);
  // Another process ran that query, and nothing but the id tells of its end.
  EXPECT_EQ(again("00000000-0000-4000-8000-000000000000:3:end").status, 204);
  on_loop([&] { return world.search.faults.error = Error{Errc::unavailable, "broken"}; });
  const auto failed = events_of(ask(post(query_path, question, streamed)).body);
  EXPECT_EQ(failed.back().type, "query.failed");
  EXPECT_EQ(again(failed.back().id).status, 204);
}

TEST_F(StreamTest, ReportsItsStagesToWhoAsks) {
  world.fill("ada", 3);
  world.flags.rerank_enabled = false;
  start();
  const auto answer = ask(post(query_path, R"({"query":"a","include_trace":true})", streamed));
  const auto events = events_of(answer.body);
  ASSERT_EQ(events.size(), 9u) << answer.body;
  const char* stages[] = {"embed", "search", "open", "rerank"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(events[1 + i].type, "query.stage");
    EXPECT_EQ(json::parse(events[1 + i].data).at("stage"), stages[i]);
  }
  EXPECT_EQ(json::parse(events[4].data).at("status"), "skipped");
  EXPECT_EQ(json::parse(events[8].data).at("fallback_reason"), "disabled");
}

TEST_F(StreamTest, ServesTheNextRequestOnTheSameConnection) {
  world.fill("ada", 1);
  start();
  auto client = connect();
  for (int i = 0; i < 3; ++i) {
    client.say(post(query_path, question, streamed));
    EXPECT_EQ(types_of(client.answer().body).back(), "query.completed");
  }
  client.say(get("/health"));
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(StreamTest, EndsAtTheCloseForAnHttp10Client) {
  world.fill("ada", 1);
  start();
  auto request = post(query_path, question, streamed);
  request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
  auto client = connect();
  client.say(request);
  const auto answer = client.answer();
  EXPECT_FALSE(answer.has("transfer-encoding"));
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_EQ(types_of(answer.body).back(), "query.completed");
}

TEST_F(StreamTest, AnswersErrorsBeforeTheFirstByteAsProblems) {
  start();
  EXPECT_EQ(ask(post(query_path, "{}", streamed)).field("content-type"),
            "application/problem+json");
  EXPECT_EQ(ask(post(query_path, R"({"query":"a","user_id":"bob"})", streamed)).status, 403);
  EXPECT_EQ(probe.streams_active.Value(), 0);
}

TEST_F(StreamTest, FailsVisiblyAfterTheFirstByte) {
  world.search.faults.error = Error{Errc::unavailable, "postgres at 10.0.0.1"};
  start();
  const auto answer = ask(post(query_path, question, streamed));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(types_of(answer.body), (std::vector<std::string>{"query.started", "query.failed"}));
  const auto failed = json::parse(events_of(answer.body).back().data);
  EXPECT_EQ(failed.at("code"), "unavailable");
  EXPECT_EQ(failed.at("status"), 503);
  EXPECT_EQ(failed.at("retryable"), true);
  EXPECT_EQ(failed.at("request_id").as_string(), answer.field("x-request-id"));
  EXPECT_EQ(answer.body.find("10.0.0.1"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return streams(http::StreamEnd::failed) == 1; }));
  EXPECT_EQ(cut("unavailable"), 1);
}

TEST_F(StreamTest, KeepsASilentStreamAlive) {
  world.fill("ada", 1);
  world.embedder.faults.delay = 300ms;
  options.keepalive = 50ms;
  start();
  const auto answer = ask(post(query_path, question, streamed));
  std::size_t comments = 0;
  for (auto at = answer.body.find(": ka\n"); at != std::string::npos;
       at = answer.body.find(": ka\n", at + 1))
    ++comments;
  EXPECT_GE(comments, 3u);
  EXPECT_LE(comments, 6u);
  EXPECT_EQ(types_of(answer.body).back(), "query.completed");
}

TEST_F(StreamTest, StopsTheWorkWhenTheClientGoes) {
  world.embedder.faults.delay = 10s;
  start();
  {
    auto client = connect();
    client.say(post(query_path, question, streamed));
    EXPECT_NE(client.until("query.started").find("200 OK"), std::string::npos);
  }
  EXPECT_TRUE(eventually([&] { return world.embedder.faults.cancelled == 1; }));
  EXPECT_TRUE(eventually([&] { return streams(http::StreamEnd::client_closed) == 1; }));
  EXPECT_EQ(streams(http::StreamEnd::failed), 0);
  EXPECT_EQ(cut("client_closed"), 1);
  EXPECT_EQ(world.query_metrics.response_time_ms.Collect().histogram.sample_count, 0u)
      << "who leaves is not kept waiting";
  EXPECT_TRUE(eventually([&] { return probe.streams_active.Value() == 0; }));
}

TEST_F(StreamTest, StopsAJsonQueryWhenTheClientGoes) {
  world.embedder.faults.delay = 10s;
  start();
  {
    auto client = connect();
    client.say(post(query_path, question));
    EXPECT_TRUE(eventually([&] { return world.embedder.faults.calls == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return world.embedder.faults.cancelled == 1; }));
}

TEST_F(StreamTest, CarriesAWriteThroughWhenTheClientGoes) {
  sink.faults.delay = 100ms;
  start();
  {
    auto client = connect();
    client.say(post(index_path, R"({"text":"keep me"})"));
    EXPECT_TRUE(eventually([&] { return sink.faults.calls == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return sink.records.size() == 1; }));
}

TEST_F(StreamTest, CutsAQueryThatOutlivesItsDeadline) {
  world.embedder.faults.delay = 10s;
  options.request_deadline = 100ms;
  start();
  const auto answer = ask(post(query_path, question));
  EXPECT_EQ(answer.status, 504);
  const auto stream = ask(post(query_path, question, streamed));
  EXPECT_EQ(json::parse(events_of(stream.body).back().data).at("code"), "timeout");
  EXPECT_TRUE(eventually([&] { return cut("timeout") == 1; }));
  // The slowest queries of all: in no count they would look like less traffic.
  EXPECT_EQ(world.query_metrics.failed.Value(), 2);
  EXPECT_EQ(world.query_metrics.cancelled.Value(), 0);
  EXPECT_EQ(world.query_metrics.response_time_ms.Collect().histogram.sample_count, 2u);
}

TEST_F(StreamTest, ClosesOnAReaderThatStopped) {
  // More than the socket buffers of both sides hold.
  const auto owner = world.tenant("ada");
  for (int i = 0; i < 8; ++i)
    world.search.rows[owner].push_back(world.sealed(owner, i, std::string(65'000, 'x') + "0"));
  options.write_timeout = 200ms;
  start();
  Client client(server->port(), 4'096);
  client.say(post(query_path, question, streamed));
  for (int i = 0; i < 40; ++i) client.say(post(query_path, question, streamed));
  EXPECT_TRUE(eventually([&] { return streams(http::StreamEnd::write_failed) == 1; }));
  EXPECT_TRUE(eventually([&] { return probe.connections_active.Value() == 0; }));
}

TEST_F(StreamTest, ServesAHundredStreamsAtOnce) {
  world.fill("ada", 8);
  world.embedder.faults.delay = 3s;  // until all have come, sanitized or not
  start();
  const auto begun = std::chrono::steady_clock::now();
  std::vector<Client> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(connect());
    clients.back().say(post(query_path, question, streamed));
  }
  EXPECT_TRUE(eventually([&] { return probe.streams_active.Value() == 100; }));
  for (auto& client : clients) EXPECT_EQ(types_of(client.answer().body).size(), 10u);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
  EXPECT_TRUE(eventually([&] { return streams(http::StreamEnd::completed) == 100; }));
  EXPECT_EQ(probe.streams_started.Value(), 100);
}

TEST_F(StreamTest, DrainLetsAStreamFinish) {
  world.fill("ada", 1);
  world.embedder.faults.delay = 200ms;
  start();
  auto client = connect();
  client.say(post(query_path, question, streamed));
  client.until("query.started");
  server->begin_drain();
  EXPECT_NE(client.rest().find("query.completed"), std::string::npos);
  stop();
}

TEST_F(StreamTest, DrainTellsAStreamThatTakesTooLong) {
  world.embedder.faults.delay = 30s;
  options.drain_timeout = 200ms;
  start();
  auto client = connect();
  client.say(post(query_path, question, streamed));
  client.until("query.started");
  const auto begun = std::chrono::steady_clock::now();
  server->begin_drain();
  const auto rest = client.rest();
  EXPECT_NE(rest.find("event: query.failed"), std::string::npos) << rest;
  EXPECT_NE(rest.find("\"code\":\"shutting_down\""), std::string::npos) << rest;
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n"));
  client.close();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_EQ(streams(http::StreamEnd::shutting_down), 1);
  EXPECT_EQ(cut("shutting_down"), 1);
}

}  // namespace
}  // namespace memseal::test

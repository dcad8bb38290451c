// Connections: timeouts, limits, pipelining, drain.
#include "unit/http/fixture.hpp"

#include "http/server/settings.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

namespace memseal::test {
namespace {

class ConnectionTest : public ServerTest {};

TEST(ServerOptions, AnIdleConnectionOutlivesTheClientsAndProxiesThatKeepIt) {
  EXPECT_EQ(http::Settings{}.idle_timeout_ms, 75'000) << "the service takes its own";
  EXPECT_EQ(http::Options{}.idle_timeout, 75s);
}

TEST_F(ConnectionTest, AnswersPipelinedRequestsInOrder) {
  start();
  auto client = connect();
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    const auto id = "X-Request-ID: " + std::to_string(i) + "\r\n";
    requests += i % 2 ? head("GET /health", "ada", id) + "\r\n"
                      : post(query_path, question, id);
  }
  client.say(requests);
  for (int i = 0; i < 50; ++i) {
    const auto answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("x-request-id"), std::to_string(i));
  }
}

TEST_F(ConnectionTest, KeepsRequestsThatArriveWhileAQueryRuns) {
  world.embedder.faults.delay = 100ms;
  start();
  auto client = connect();
  client.say(post(query_path, question));
  EXPECT_TRUE(eventually([&] { return world.embedder.faults.calls == 1; }));
  client.say(get("/health"));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().body, R"({"status":"ok"})");
}

TEST_F(ConnectionTest, TakesAChunkedBody) {
  world.fill("ada", 1);
  start();
  auto client = connect();
  client.say(head("POST " + query_path) +
             "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : question) client.say("1\r\n" + std::string(1, c) + "\r\n");
  client.say("0\r\n\r\n" + get("/health"));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(ConnectionTest, InvitesABodyThatWaitsToBe) {
  start();
  auto client = connect();
  client.say(head("POST " + query_path) + "Content-Type: application/json\r\n"
             "Expect: 100-continue\r\nContent-Length: 24\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.say(question);
  EXPECT_EQ(client.answer().status, 200);
  // A body that will be refused is not invited first.
  client.say("POST " + query_path + " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
             "Content-Length: 24\r\n\r\n");
  EXPECT_EQ(client.answer().status, 401);
}

TEST_F(ConnectionTest, RefusesAmbiguousRequestsAndCloses) {
  start();
  for (const std::string bytes :
       {"GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/health HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    auto client = connect();
    client.say(bytes);
    const auto answer = client.answer();
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.field("content-type"), "application/problem+json");
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_TRUE(client.ended());
  }
  EXPECT_EQ(on_loop([&] { return probe.framing_refusals.Value(); }), 4);
}

TEST_F(ConnectionTest, DropsOrClosesOnABodyNobodyReads) {
  start();
  auto client = connect();
  client.say(post("/nope", "a body that came along") + get("/health"));
  EXPECT_EQ(client.answer().status, 404);
  EXPECT_EQ(client.answer().status, 200);
  client.say("POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nnot all of it");
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.field("connection"), "close");
}

TEST_F(ConnectionTest, EndsASlowHeader) {
  options.header_timeout = 100ms;
  start();
  auto silent = connect(), slow = connect(), later = connect();
  slow.say("GET /health HT");
  later.say(get("/health"));
  EXPECT_EQ(later.answer().status, 200);
  later.say("GET");
  EXPECT_EQ(slow.answer().status, 408);
  EXPECT_TRUE(slow.ended());
  EXPECT_TRUE(silent.ended());
  EXPECT_EQ(later.answer().status, 408);
}

TEST_F(ConnectionTest, DoesNotLetTricklingExtendTheHeaderTimeout) {
  options.header_timeout = 200ms;
  start();
  auto client = connect();
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100 && std::chrono::steady_clock::now() - begun < 1s; ++i) {
    client.say("G");
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(client.answer().status, 408);
}

TEST_F(ConnectionTest, EndsASlowBody) {
  options.body_timeout = 100ms;
  start();
  auto client = connect();
  client.say(head("POST " + query_path) +
             "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n{");
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 408);
  EXPECT_FALSE(answer.has("x-ratelimit-limit")) << "a request that never arrived takes nothing";
  EXPECT_TRUE(client.ended());
}

TEST_F(ConnectionTest, ClosesAnIdleConnection) {
  options.idle_timeout = 100ms;
  start();
  auto client = connect();
  client.say(get("/health"));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(client.ended());
}

TEST_F(ConnectionTest, ClosesWhenAskedToAndAfterTheLastAllowedRequest) {
  options.requests_per_connection_max = 3;
  start();
  auto client = connect();
  client.say(head("GET /health", "ada", "Connection: close\r\n") + "\r\n");
  EXPECT_EQ(client.answer().field("connection"), "close");
  EXPECT_TRUE(client.ended());
  auto other = connect();
  for (int i = 0; i < 3; ++i) {
    other.say(get("/health"));
    EXPECT_EQ(other.answer().field("connection"), i == 2 ? "close" : "");
  }
  EXPECT_TRUE(other.ended());
  auto old = connect();
  old.say("GET /health HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(old.answer().field("connection"), "close");
}

TEST_F(ConnectionTest, SendsTheConnectionsOverItsLimitAway) {
  options.connections_max = 2;
  start();
  auto first = connect(), second = connect();
  first.say(get("/health"));
  second.say(get("/health"));
  EXPECT_EQ(first.answer().status, 200);
  EXPECT_EQ(second.answer().status, 200);
  auto third = connect();
  const auto answer = third.answer();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("retry-after"), "1");
  first.close();
  EXPECT_TRUE(eventually([&] { return probe.connections_active.Value() == 1; }));
  EXPECT_EQ(ask(get("/health")).status, 200);
}

TEST_F(ConnectionTest, DrainEndsIdleConnectionsAndTakesNoNewOnes) {
  start();
  const auto port = server->port();
  auto client = connect();
  client.say(get("/ready"));
  EXPECT_EQ(client.answer().status, 200);
  server->begin_drain();
  EXPECT_TRUE(client.ended());
  stop();
  EXPECT_FALSE(Client(port).connected());
}

TEST_F(ConnectionTest, DrainAnswersWhatIsUnderWayAndSaysItIsNotReady) {
  world.embedder.faults.delay = 200ms;
  start();
  auto client = connect();
  client.say(post(query_path, question) + get("/ready"));
  EXPECT_TRUE(eventually([&] { return world.embedder.faults.calls == 1; }));
  auto fresh = connect();  // accepted, has not asked yet
  EXPECT_TRUE(eventually([&] { return probe.connections_active.Value() == 2; }));
  server->begin_drain();
  fresh.say(get("/ready"));
  const auto ready = fresh.answer();
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("draining"), std::string::npos);
  EXPECT_EQ(ready.field("connection"), "close");
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_EQ(client.answer().status, 0);
}

// Longer than a connection that has not asked may stay.
constexpr auto past_the_last_call = 1'300ms;

TEST_F(ConnectionTest, DrainWaitsForTheBodyOfAFirstRequest) {
  start();
  auto client = connect();
  client.say(head("POST " + query_path) + "Content-Type: application/json\r\nContent-Length: " +
             std::to_string(question.size()) + "\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_NE(client.until("\r\n\r\n").find("100 Continue"), std::string::npos);
  server->begin_drain();
  std::this_thread::sleep_for(past_the_last_call);
  client.say(question);
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(ConnectionTest, DrainStillNoticesThatTheClientOfAFirstRequestLeft) {
  world.embedder.faults.delay = 30s;
  start();
  auto client = connect();
  client.say(post(query_path, question, "Accept: text/event-stream\r\n"));
  client.until("query.started");
  server->begin_drain();
  std::this_thread::sleep_for(past_the_last_call);
  client.close();
  const auto left = runtime::Clock::now();
  stop();
  EXPECT_EQ(world.embedder.faults.cancelled, 1);
  EXPECT_LT(runtime::Clock::now() - left, 5s) << "ended by Options::drain_timeout alone";
}

TEST_F(ConnectionTest, DrainWaitsShortlyForAConnectionOfTheQueueThatDoesNotAsk) {
  serve_api = false;
  server = std::make_unique<http::Server>(loop.get_executor(), options, probe, handler());
  auto silent = connect();  // the kernel has it, the server does not yet
  server->begin_drain();
  asio::co_spawn(loop, server->run(), [this](std::exception_ptr thrown) { failure = thrown; });
  loop.run_for(5s);
  EXPECT_TRUE(loop.stopped());
  EXPECT_EQ(probe.connections.Value(), 1);
  EXPECT_TRUE(silent.ended());
}

TEST_F(ConnectionTest, DrainedBeforeItRanItEndsAtOnce) {
  serve_api = false;
  server = std::make_unique<http::Server>(loop.get_executor(), options, probe, handler());
  server->begin_drain();
  server->begin_drain();
  asio::co_spawn(loop, server->run(), [this](std::exception_ptr thrown) { failure = thrown; });
  loop.run_for(5s);
  EXPECT_TRUE(loop.stopped());
}

TEST_F(ConnectionTest, CancelledItEndsEveryConnection) {
  world.embedder.faults.delay = 30s;
  server = std::make_unique<http::Server>(loop.get_executor(), options, probe, handler());
  asio::cancellation_signal signal;
  asio::co_spawn(loop, server->run(),
                 asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
  thread = std::thread([this] { loop.run(); });
  auto idle = connect(), busy = connect();
  busy.say(post(query_path, question, "Accept: text/event-stream\r\n"));
  busy.until("query.started");
  on_loop([&] {
    signal.emit(asio::cancellation_type::terminal);
    return true;
  });
  thread.join();
  EXPECT_TRUE(idle.ended());
  EXPECT_EQ(world.embedder.faults.cancelled, 1);
}

TEST_F(ConnectionTest, SharesItsPortOnlyWhenToldTo) {
  options.reuse_port = true;
  start();
  auto other = options;
  other.port = server->port();
  EXPECT_NO_THROW(http::Server(loop.get_executor(), other, probe, handler()));
  other.reuse_port = false;
  EXPECT_THROW(http::Server(loop.get_executor(), other, probe, handler()), Refused);
  other.address = "not an address";
  EXPECT_THROW(http::Server(loop.get_executor(), other, probe, handler()), Refused);
}

}  // namespace
}  // namespace memseal::test

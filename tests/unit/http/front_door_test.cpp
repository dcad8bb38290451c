// What one address, one user and all requests together may take: whoever takes too much is refused,
// and everybody else is served meanwhile.
#include "http/routes/call.hpp"
#include "http/server/front_door.hpp"

#include "unit/http/fixture.hpp"

#include <array>
#include <thread>

namespace memseal::test {
namespace {

class FrontDoorTest : public ServerTest {
 protected:
  void start_with(const http::FrontDoorLimits& limits) {
    options.door = std::make_shared<http::FrontDoor>(limits, probe);
    start();
  }
  Client connect_from(const char* address) { return Client(server->port(), 0, address); }
  double count(runtime::Counter& counter) {
    return on_loop([&] { return counter.Value(); });
  }
  bool nothing_is_held() {
    return eventually([&] { return probe.bytes_held.Value() == 0; });
  }
};

TEST_F(FrontDoorTest, OneAddressHasSoManyConnectionsAndAnotherOneItsOwn) {
  start_with({.connections_per_address = 2});
  auto first = connect(), second = connect();
  for (auto* client : {&first, &second}) {
    client->say(get("/health"));
    EXPECT_EQ(client->answer().status, 200);
  }
  auto third = connect();
  const auto refused = third.answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("retry-after"), "1");
  EXPECT_TRUE(third.ended());
  EXPECT_EQ(count(probe.address_refusals), 1);
  auto other = connect_from("127.0.0.2");
  other.say(get("/health"));
  EXPECT_EQ(other.answer().status, 200);
  first.close();
  EXPECT_TRUE(eventually([&] { return probe.connections_active.Value() == 2; }));
  EXPECT_EQ(ask(get("/health")).status, 200);
}

// A peer that opens connections and says nothing, or says half of a request.
TEST_F(FrontDoorTest, HalfOpenConnectionsShutOutNobodyElseAndEnd) {
  options.header_timeout = 300ms;
  start_with({.connections_per_address = 16});
  std::vector<Client> hostile;
  for (int i = 0; i < 64; ++i) {
    hostile.push_back(connect_from("127.0.0.2"));
    if (i % 2 == 0) hostile.back().say("GET /health HTTP/1.1\r\nHo");
  }
  EXPECT_EQ(ask(get("/health")).status, 200);
  EXPECT_GE(count(probe.address_refusals), 1);
  EXPECT_TRUE(eventually([&] { return probe.connections_active.Value() == 0; }));
  auto again = connect_from("127.0.0.2");
  again.say(get("/health"));
  EXPECT_EQ(again.answer().status, 200);
}

TEST_F(FrontDoorTest, OneUserHasSoManyRequestsUnderWayAndAnotherOneItsOwn) {
  world.embedder.faults.delay = 1h;
  start_with({.requests_per_user = 2});
  std::vector<Client> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.push_back(connect());
    waiting.back().say(post(query_path, question));
  }
  EXPECT_TRUE(eventually([&] { return world.embedder.faults.calls == 2; }));
  const auto refused = ask(post(query_path, question));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.field("retry-after"), "1");
  EXPECT_NE(refused.body.find("under way"), std::string::npos) << refused.body;
  EXPECT_EQ(count(probe.user_refusals), 1);
  EXPECT_EQ(on_loop([&] { return world.embedder.faults.calls; }), 2);
  EXPECT_EQ(ask(get("/health")).status, 200);  // asks for no user
  on_loop([&] { world.embedder.faults.delay = 0ms; });
  EXPECT_EQ(ask(post(query_path, question, {}, "bob")).status, 200);
  // Whoever leaves gives the place back.
  waiting.clear();
  EXPECT_TRUE(eventually([&] { return probe.connections_active.Value() == 0; }));
  EXPECT_EQ(ask(post(query_path, question)).status, 200);
}

TEST_F(FrontDoorTest, AnAnswerThatNobodyReadsLeavesRoomForOthers) {
  // Larger than what two sockets hold, so that it cannot be sent while its reader sleeps.
  const std::string page(24 << 20, 'x');
  start_page = [&page] { return page; };
  options.write_timeout = 1h;
  start_with({.bytes = 40 << 20});
  auto slow = connect();
  slow.say(get("/"));
  EXPECT_TRUE(eventually([&] { return probe.bytes_held.Value() > 0; }));
  const auto refused = ask(get("/"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("retry-after"), "1");
  EXPECT_NE(refused.body.find("held in memory"), std::string::npos) << refused.body;
  EXPECT_EQ(count(probe.bytes_refusals), 1);
  EXPECT_EQ(ask(get("/health")).status, 200);
  EXPECT_EQ(slow.answer().body.size(), page.size());
  EXPECT_TRUE(nothing_is_held());
  EXPECT_EQ(ask(get("/")).body.size(), page.size());
}

std::string padded(std::size_t bytes) {
  return R"({"query":"where?")" + std::string(bytes, ' ') + "}";
}

TEST_F(FrontDoorTest, BodiesTakeOfTheSameBytesUntilTheyAreAnswered) {
  start_with({.bytes = 256 << 10});
  EXPECT_EQ(ask(post(query_path, padded(200 << 10))).status, 200);
  EXPECT_TRUE(nothing_is_held());
  const auto refused = ask(post(query_path, padded(400 << 10)));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("connection"), "close");
  EXPECT_TRUE(nothing_is_held());
  // Two that would fit one after the other.
  auto slow = connect();
  const auto large = post(query_path, padded(200 << 10));
  slow.say(std::string_view(large).substr(0, large.size() - 1));
  EXPECT_TRUE(eventually([&] { return probe.bytes_held.Value() > (150 << 10); }));
  EXPECT_EQ(ask(post(query_path, padded(200 << 10), {}, "bob")).status, 503);
  EXPECT_EQ(ask(post(query_path, padded(1), {}, "bob")).status, 200);
  slow.say("}");
  EXPECT_EQ(slow.answer().status, 200);
  EXPECT_TRUE(nothing_is_held());
}

TEST_F(FrontDoorTest, OneUserHasAShareOfTheBytesAndSmallRequestsNeedNone) {
  readiness = [] { return std::vector<http::Check>{}; };
  start_with({.bytes = 512 << 10, .bytes_per_holder = 256 << 10});
  std::vector<Client> hostile;
  const auto large = post(query_path, padded(240 << 10));
  const auto others = post(query_path, padded(240 << 10), {}, "mallory");
  for (const auto& body : {large, others}) {
    hostile.push_back(connect());
    hostile.back().say(std::string_view(body).substr(0, body.size() - 1));
    const auto held = static_cast<double>((200 << 10) * hostile.size());
    EXPECT_TRUE(eventually([&] { return probe.bytes_held.Value() > held; }));
    // This user has no more; another one does until all is taken.
    EXPECT_EQ(ask(post(query_path, padded(100 << 10))).status, 503);
    EXPECT_EQ(ask(post(query_path, padded(100 << 10), {}, "bob")).status,
              hostile.size() == 1 ? 200 : 503);
  }
  EXPECT_EQ(ask(post(query_path, padded(30 << 10))).status, 200);
  EXPECT_EQ(ask(get("/ready")).status, 200);
  EXPECT_EQ(ask(get("/health")).status, 200);
  hostile.clear();
  EXPECT_TRUE(nothing_is_held());
}

TEST_F(FrontDoorTest, ALargeBodyThatNeverEndsIsCharged) {
  options.body_timeout = 1s;
  start_with({});
  const auto request = post(query_path, padded(100 << 10));
  EXPECT_EQ(ask(request.substr(0, request.size() - 1)).status, 408);
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 1);
  auto leaves = connect();
  leaves.say(request.substr(0, request.size() - 1));
  EXPECT_TRUE(eventually([&] { return probe.bytes_held.Value() > (64 << 10); }));
  leaves.close();
  EXPECT_TRUE(eventually([&] { return limiter.asked == 2; }));
}

http::Response large_answer(http::Call&) {
  return {.content_type = "text/plain", .body = std::string(1 << 20, 'x')};
}

constexpr std::array large_routes{
    http::Route{.method = "GET", .pattern = "/large", .scope = http::Scope::every_listener,
                .at_once = large_answer},
    http::Route{.method = "POST", .pattern = "/large", .scope = http::Scope::every_listener,
                .at_once = large_answer}};

// Whoever was told 503 does it once more.
TEST_F(FrontDoorTest, TheAnswerOfWhatWasDoneIsSentWhateverIsHeld) {
  routes = large_routes;
  start_with({.bytes = 512 << 10});
  EXPECT_EQ(ask(get("/large")).status, 503);
  const auto done = ask(post("/large", "{}"));
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.body.size(), 1u << 20);
  EXPECT_TRUE(nothing_is_held());
}

// More than what two sockets hold.
asio::awaitable<std::optional<http::Response>> unread_answer(http::Call&) {
  co_return http::Response{.content_type = "text/plain", .body = std::string(24 << 20, 'x')};
}

constexpr std::array unread_routes{
    http::Route{.method = "GET", .pattern = "/unread", .scope = http::Scope::api,
                .work = unread_answer}};

TEST_F(FrontDoorTest, AUserKeepsThePlaceUntilTheAnswerIsRead) {
  options.write_timeout = 1h;
  routes = unread_routes;
  start_with({.requests_per_user = 1});
  auto slow = connect();
  slow.say(get("/unread"));
  EXPECT_TRUE(eventually([&] { return probe.bytes_held.Value() > 0; }));
  EXPECT_EQ(ask(get("/unread")).status, 429);
  EXPECT_EQ(slow.answer().status, 200);
}

// By its ports a peer chooses the loop that it reaches.
TEST_F(FrontDoorTest, OneAddressLeavesRoomAtEachServer) {
  options.connections_per_address = 1;
  start_with({.connections_per_address = 100});
  auto first = connect();
  first.say(get("/health"));
  EXPECT_EQ(first.answer().status, 200);
  EXPECT_EQ(connect().answer().status, 503);
  auto other = connect_from("127.0.0.2");
  other.say(get("/health"));
  EXPECT_EQ(other.answer().status, 200);
}

TEST(PeerNetwork, IsAnAddressOfIPv4OrAHalfOfIPv6) {
  const auto of = [](const char* text) {
    return http::network_of(asio::ip::make_address(text));
  };
  EXPECT_NE(of("192.0.2.1"), of("192.0.2.2"));
  EXPECT_EQ(of("192.0.2.1"), of("::ffff:192.0.2.1"));
  EXPECT_EQ(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
  EXPECT_NE(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
  EXPECT_NE(of("::1"), of("0.0.0.1"));
}

}  // namespace
}  // namespace memseal::test

// Bodies that a route reads in parts, over real connections.
#include "http/routes/handlers.hpp"
#include "unit/http/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

namespace memseal::test {
namespace {

using http::BodyKind;
using http::Call;
using http::Response;
using http::Scope;
using Answered = asio::awaitable<std::optional<Response>>;

constexpr std::size_t small_bytes_max = 1'000, large_bytes_max = 65 << 20;

// What the route under test saw; the server's thread writes, a test reads by on_loop().
struct Seen {
  std::uint64_t bytes = 0, parts = 0;
  std::size_t largest = 0;
  int ended = 0, lost = 0;
};
Seen seen;

Answered post_counted(Call& call) {
  try {
    while (true) {
      const auto part = co_await call.body_stream->next();
      if (part.empty()) break;
      ++seen.parts;
      seen.largest = std::max(seen.largest, part.size());
      seen.bytes = call.body_stream->bytes();
    }
  } catch (const http::ConnectionLost&) {
    ++seen.lost;
    throw;
  }
  ++seen.ended;
  co_return http::json_response(200, "{\"bytes\":" + std::to_string(seen.bytes) +
                                         ",\"id\":\"" + call.id + "\"}");
}

Answered post_unread(Call&) { co_return http::json_response(200, "{}"); }

Answered post_one_part(Call& call) {
  const auto part = co_await call.body_stream->next();
  co_return http::json_response(200, std::to_string(part.size()));
}

constexpr std::array test_routes{
    http::Route{"POST", "/large", Scope::api, nullptr, post_counted, BodyKind::stream, false,
                large_bytes_max, std::chrono::minutes(1)},
    http::Route{"POST", "/files/{id}/content", Scope::api, nullptr, post_counted, BodyKind::stream,
                false, small_bytes_max},
    http::Route{"POST", "/unread", Scope::api, nullptr, post_unread, BodyKind::stream, false,
                small_bytes_max},
    http::Route{"POST", "/one", Scope::api, nullptr, post_one_part, BodyKind::stream, false,
                large_bytes_max},
    http::Route{"POST", "/brief", Scope::api, nullptr, post_counted, BodyKind::stream, false,
                small_bytes_max, std::chrono::milliseconds(300)},
    http::Route{"GET", "/health", Scope::every_listener, http::get_health},
};

constexpr const char* content_path = "/files/a%20b/content";

struct BodyStreamTest : ServerTest {
  BodyStreamTest() {
    routes = test_routes;
    seen = {};
  }
  std::string upload(const std::string& path, std::size_t length, const std::string& more = {}) {
    return head("POST " + path) + "Content-Length: " + std::to_string(length) + "\r\n" + more +
           "\r\n";
  }
  std::string chunked(const std::string& path) {
    return head("POST " + path) + "Transfer-Encoding: chunked\r\n\r\n";
  }
};

TEST_F(BodyStreamTest, ReadsABodyWholeAndLetsTheNextRequestFollow) {
  start();
  auto client = connect();
  client.say(upload(content_path, 5) + "hello" + get("/health"));
  EXPECT_EQ(client.answer().body, R"({"bytes":5,"id":"a b"})");
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(BodyStreamTest, AnEmptyBodyEndsAtOnce) {
  start();
  auto client = connect();
  client.say(upload(content_path, 0) + get("/health"));
  EXPECT_EQ(client.answer().body, R"({"bytes":0,"id":"a b"})");
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(on_loop([] { return seen.parts; }), 0u);
}

TEST_F(BodyStreamTest, TakesExactlyTheLimitAndNotAByteMore) {
  start();
  auto client = connect();
  client.say(upload(content_path, small_bytes_max) + std::string(small_bytes_max, 'x'));
  EXPECT_EQ(client.answer().status, 200);
  client.say(upload(content_path, small_bytes_max + 1));
  const auto refused = client.answer();
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("1000 bytes"), std::string::npos);
  EXPECT_EQ(refused.field("connection"), "close");
}

TEST_F(BodyStreamTest, ChunksCountTogether) {
  start();
  auto client = connect();
  client.say(chunked(content_path) + "3e8\r\n" + std::string(1'000, 'x') + "\r\n0\r\n\r\n" +
             get("/health"));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().status, 200);
  client.say(chunked(content_path) + "3e8\r\n" + std::string(1'000, 'x') + "\r\n1\r\nx\r\n");
  EXPECT_EQ(client.answer().status, 413);
  EXPECT_TRUE(client.ended());
}

TEST_F(BodyStreamTest, ASlowBodyComesByteByByte) {
  start();
  auto client = connect();
  client.say(chunked(content_path));
  for (const std::string_view piece :
       {"2", "\r\n", "a", "b", "\r", "\n", "1\r\nc\r\n", "0\r\n", "\r\n"}) {
    client.say(piece);
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(client.answer().body, R"({"bytes":3,"id":"a b"})");
}

TEST_F(BodyStreamTest, ABodyThatStopsIsRefusedInTime) {
  options.body_timeout = 100ms;
  start();
  auto client = connect();
  client.say(upload(content_path, 10) + "12345");
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_TRUE(client.ended());
}

TEST_F(BodyStreamTest, EachPartHasItsOwnTime) {
  options.body_timeout = 400ms;
  start();
  auto client = connect();
  client.say(upload(content_path, 8));
  for (int i = 0; i < 8; ++i) {
    std::this_thread::sleep_for(100ms);
    client.say("x");
  }
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(BodyStreamTest, ARouteLimitsTheWholeTime) {
  start();
  auto client = connect();
  client.say(upload("/brief", 10) + "12345");
  const auto late = client.answer();
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(late.field("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(BodyStreamTest, BadFramingIsRefused) {
  start();
  auto client = connect();
  client.say(chunked(content_path) + "zz\r\n");
  EXPECT_EQ(client.answer().status, 400);
  EXPECT_TRUE(client.ended());
}

TEST_F(BodyStreamTest, AClientThatGoesInTheMiddleEndsTheWork) {
  start();
  {
    auto client = connect();
    client.say(upload(content_path, 10) + "12345");
    EXPECT_TRUE(eventually([] { return seen.bytes == 5; }));
  }
  EXPECT_TRUE(eventually([] { return seen.lost == 1; }));
  EXPECT_EQ(ask(get("/health")).status, 200);
}

TEST_F(BodyStreamTest, InvitesAWaitingClientOnlyWhenTheRouteReads) {
  start();
  auto client = connect();
  client.say(upload(content_path, 5, "Expect: 100-continue\r\n"));
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.say("hello");
  EXPECT_EQ(client.answer().status, 200);
  client.say(upload("/unread", 5, "Expect: 100-continue\r\n"));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_TRUE(client.ended());
  auto other = connect();
  other.say(upload(content_path, small_bytes_max + 1, "Expect: 100-continue\r\n"));
  EXPECT_EQ(other.answer().status, 413);
}

TEST_F(BodyStreamTest, AnUnreadBodyIsDroppedWhenItCameWithItsHeadElseTheConnectionCloses) {
  start();
  auto client = connect();
  client.say(upload("/unread", 5) + "hello" + get("/health"));
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(client.answer().status, 200);
  client.say(upload("/unread", 10) + "hello");
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("connection"), "close");
}

TEST_F(BodyStreamTest, ABodyReadInPartNeverBecomesTheNextRequest) {
  start();
  auto client = connect();
  client.say(upload("/one", 200'000) + "x");
  EXPECT_EQ(client.answer().body, "1");
  client.say(get("/health"));
  EXPECT_TRUE(client.ended());
}

TEST_F(BodyStreamTest, SixtyFourMebibytesPassInSmallParts) {
  start();
  auto client = connect();
  constexpr std::size_t bytes = 64 << 20;
  client.say(upload("/large", bytes));
  const std::string piece(1 << 20, 'x');
  for (std::size_t sent = 0; sent < bytes; sent += piece.size()) client.say(piece);
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(on_loop([] { return seen.bytes; }), bytes);
  EXPECT_LE(on_loop([] { return seen.largest; }), 80u << 10);
}

TEST_F(BodyStreamTest, NeedsATokenBeforeItReadsAByte) {
  start();
  auto client = connect();
  client.say("POST /large HTTP/1.1\r\nHost: memseal\r\nContent-Length: 100000\r\n\r\n");
  EXPECT_EQ(client.answer().status, 401);
  EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace memseal::test

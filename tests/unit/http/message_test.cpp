#include "http/server/message.hpp"

#include <gtest/gtest.h>

#include <tuple>

namespace memseal::http {
namespace {

TEST(Negotiate, SendsAStreamOnlyToWhoAsksForOne) {
  const std::tuple<const char*, Media> cases[] = {
      {"", Media::json},
      {"*/*", Media::json},
      {"application/*", Media::json},
      {"application/json", Media::json},
      {"text/event-stream", Media::event_stream},
      {"Text/Event-Stream", Media::event_stream},
      {"text/event-stream, */*", Media::event_stream},
      {"application/json, text/event-stream", Media::event_stream},
      {"application/json, text/event-stream;q=0.5", Media::json},
      {"text/event-stream;q=0.5, */*;q=0.1", Media::event_stream},
      {"text/event-stream;q=0", Media::neither},
      {"text/event-stream;q=0, */*", Media::json},
      {"application/json;q=0, */*", Media::neither},
      {"text/html", Media::neither},
      {"text/*", Media::neither},
      {"image/png, application/json;q=0.001", Media::json},
      {"application/json;q=abc", Media::neither},
      {",,;;q=,", Media::neither},
  };
  for (const auto& [accept, expected] : cases) EXPECT_EQ(negotiate(accept), expected) << accept;
  EXPECT_EQ(negotiate(std::nullopt), Media::json);
}

TEST(IsJson, TakesUtf8Only) {
  EXPECT_TRUE(is_json("application/json"));
  EXPECT_TRUE(is_json("Application/JSON; charset=UTF-8"));
  EXPECT_TRUE(is_json("application/json;charset=\"utf-8\""));
  EXPECT_TRUE(is_json("application/json; profile=x"));
  EXPECT_FALSE(is_json("application/json; charset=latin1"));
  EXPECT_FALSE(is_json("application/jsonp"));
  EXPECT_FALSE(is_json("application/x-www-form-urlencoded"));
  EXPECT_FALSE(is_json(""));
}

TEST(RequestId, IsEchoedOnlyInItsAlphabet) {
  EXPECT_TRUE(is_request_id("a"));
  EXPECT_TRUE(is_request_id("A-z_0.9"));
  EXPECT_TRUE(is_request_id(std::string(64, 'x')));
  EXPECT_FALSE(is_request_id(std::string(65, 'x')));
  EXPECT_FALSE(is_request_id(""));
  EXPECT_FALSE(is_request_id("a b"));
  EXPECT_FALSE(is_request_id("a\tb"));
  EXPECT_FALSE(is_request_id("<script>"));
}

TEST(HttpDate, FollowsRfc9110) {
  EXPECT_EQ(http_date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(RequestHead, FindsFieldsAndJoinsLists) {
  RequestHead head;
  head.target = "/ready?verbose=1";
  head.fields = {{"accept", "a"}, {"host", "h"}, {"accept", "b"}};
  EXPECT_EQ(head.path(), "/ready");
  EXPECT_EQ(head.field("host"), "h");
  EXPECT_FALSE(head.field("accept"));
  EXPECT_FALSE(head.field("cookie"));
  EXPECT_EQ(head.count("accept"), 2u);
  EXPECT_EQ(head.list("accept"), "a, b");
  EXPECT_FALSE(head.list("cookie"));
}

TEST(HeadText, EndsEveryLine) {
  EXPECT_EQ(head_text(429, {{"Retry-After", "36"}}),
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 36\r\n");
}

TEST(ProtocolProblem, SaysItsStatus) {
  const auto response = protocol_problem(408, "too slow", "req-1");
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(response.content_type, "application/problem+json");
  for (const char* part : {R"("status":408)", R"("request_id":"req-1")", R"("retryable":true)"})
    EXPECT_NE(response.body.find(part), std::string::npos) << response.body;
}

}  // namespace
}  // namespace memseal::http

#include "pure/wire/sse.hpp"

#include "pure/wire/line_safe.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace memseal::wire {
namespace {

struct Seen {
  std::string id, type, data;
  friend bool operator==(const Seen&, const Seen&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Seen& seen) {
    return out << '{' << seen.id << '|' << seen.type << '|' << seen.data << '}';
  }
};

/// What a reader sees when the stream comes in pieces of `piece` bytes.
std::vector<Seen> read(std::string_view stream, std::size_t piece) {
  SseParser parser;
  std::vector<Seen> seen;
  for (std::size_t at = 0; at < stream.size(); at += piece)
    parser.feed(stream.substr(at, piece), [&](const SseEvent& event) {
      seen.push_back({event.id, event.type, event.data});
    });
  return seen;
}

void expect_events(std::string_view stream, const std::vector<Seen>& events) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, stream.size()})
    EXPECT_EQ(read(stream, piece), events) << "in pieces of " << piece << ": " << stream;
}

TEST(SseFrame, IsOneEventWithItsNumber) {
  EXPECT_EQ(sse_frame("q1", 3, "query.result", R"({"rank":1})"),
            "id: q1:3\nevent: query.result\ndata: {\"rank\":1}\n\n");
}

TEST(SseFrame, SplitsDataAtEveryLineBreak) {
  const auto frame = sse_frame("q", 0, "t", "a\nb\r\nc\rd\n");
  EXPECT_EQ(frame, "id: q:0\nevent: t\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
  expect_events(frame, {{"q:0", "t", "a\nb\nc\nd\n"}});
}

TEST(SseFrame, RefusesALineBreakInItsNames) {
  EXPECT_DEATH(sse_frame("q\nevent: x", 0, "t", "{}"), "assertion failed");
  EXPECT_DEATH(sse_frame("q", 0, "t\r", "{}"), "assertion failed");
}

TEST(SseFrame, SaysInItsIdThatItIsTheLast) {
  EXPECT_EQ(sse_frame("q1", 12, "query.failed", "{}", SsePlace::last),
            "id: q1:12:end\nevent: query.failed\ndata: {}\n\n");
  EXPECT_TRUE(is_last_sse_id("q1:12:end"));
  for (const char* id : {"", "q1:12", "end", ":end", ":12:end", "q1::end", "q1:x:end", "q1:end",
                         "q1:12:end ", "q1:12:END", "q1:12:end:end"})
    EXPECT_FALSE(is_last_sse_id(id)) << id;
}

TEST(SseRetry, IsALineOfTheFirstFrame) { EXPECT_EQ(sse_retry(3000), "retry: 3000\n"); }

TEST(LineSafe, EscapesWhatSomeReadersTakeForALineEnd) {
  EXPECT_EQ(line_safe("{}"), "{}");
  EXPECT_EQ(line_safe(""), "");
  EXPECT_EQ(line_safe("\"\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\""), R"("\u2028\u2029\u0085")");
  EXPECT_EQ(line_safe("\"a\xc2\x85z\xc2\x85\""), R"("a\u0085z\u0085")");
  // Characters that begin alike stay.
  const std::string alike = "\"\xc2\xa0 \xe2\x82\xac \xe2\x80\xa6 \xc3\xa9\"";
  EXPECT_EQ(line_safe(alike), alike);
  EXPECT_EQ(line_safe(alike + "\xe2\x80\xa8"), alike + "\\u2028");
  EXPECT_EQ(line_safe("\xe2"), "\xe2");
}

TEST(SseParser, ReadsWhatWeWriteInAnyPieces) {
  std::string stream = sse_retry(3000);
  stream += sse_frame("q", 0, "query.started", "{}");
  stream += sse_keepalive;
  stream += sse_frame("q", 1, "query.result", R"({"text":"h\u00e9"})");
  stream += sse_frame("q", 2, "query.completed", "{}");
  expect_events(stream, {{"q:0", "query.started", "{}"},
                         {"q:1", "query.result", R"({"text":"h\u00e9"})"},
                         {"q:2", "query.completed", "{}"}});
}

TEST(SseParser, FollowsTheRulesOfTheStandard) {
  // The examples of the standard's section on interpreting an event stream.
  expect_events("data: YHOO\ndata: +2\ndata: 10\n\n", {{"", "message", "YHOO\n+2\n10"}});
  expect_events(
      ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
      "data:  third event\n",
      {{"1", "message", "first event"}, {"", "message", "second event"}});
  expect_events("data\n\ndata\ndata\n\ndata:", {{"", "message", ""}, {"", "message", "\n"}});
  expect_events("data:test\n\ndata: test\n\n", {{"", "message", "test"}, {"", "message", "test"}});
}

TEST(SseParser, TakesEveryLineEnd) {
  const std::vector<Seen> events{{"", "t", "a\nb"}, {"", "message", "c"}};
  expect_events("event:t\ndata:a\ndata:b\n\ndata:c\n\n", events);
  expect_events("event:t\rdata:a\rdata:b\r\rdata:c\r\r", events);
  expect_events("event:t\r\ndata:a\r\ndata:b\r\n\r\ndata:c\r\n\r\n", events);
  expect_events("event:t\r\ndata:a\rdata:b\n\r\ndata:c\r\r\n", events);
}

TEST(SseParser, DispatchesAtACarriageReturnWithoutWaitingForMore) {
  SseParser parser;
  int events = 0;
  parser.feed("data:x\r\r", [&](const SseEvent&) { ++events; });
  EXPECT_EQ(events, 1);
  parser.feed("\ndata:y\n\n", [&](const SseEvent&) { ++events; });
  EXPECT_EQ(events, 2);
}

TEST(SseParser, SkipsOneByteOrderMarkAtTheStart) {
  expect_events(
      "\xef\xbb\xbf"
      "data:x\n\n",
      {{"", "message", "x"}});
  expect_events(
      "\xef\xbb\xbf\xef\xbb\xbf"
      "data:x\n\ndata:y\n\n",
      {{"", "message", "y"}});
}

TEST(SseParser, KeepsTheLastIdAndIgnoresOneWithAZeroByte) {
  expect_events("id:7\ndata:a\n\ndata:b\n\n", {{"7", "message", "a"}, {"7", "message", "b"}});
  expect_events(std::string_view("id:7\ndata:a\n\nid:8\0\ndata:b\n\n", 28),
                {{"7", "message", "a"}, {"7", "message", "b"}});
  expect_events("id:9\n\ndata:a\n\n", {{"9", "message", "a"}});
}

TEST(SseParser, DropsAnEventWithoutDataAndItsType) {
  expect_events("event:t\n\ndata:a\n\n", {{"", "message", "a"}});
}

TEST(SseParser, IgnoresUnknownFieldsAndFieldsInAnotherCase) {
  expect_events("DATA:x\nfoo:bar\n data:x\ndata:a\nretry:soon\n\n", {{"", "message", "a"}});
}

TEST(SseParser, DropsAnEventThatIsTooLargeAndGoesOn) {
  const std::string mega(SseParser::event_bytes_max, 'x');
  for (const auto& stream : {"data:" + mega + "\n\ndata:a\n\n",
                             "data:1\ndata:" + mega.substr(8) + "\ndata:23456789\n\ndata:a\n\n",
                             mega + mega + mega + "\n\ndata:a\n\n"}) {
    for (const std::size_t piece : {std::size_t{4'096}, stream.size()}) {
      SseParser parser;
      std::vector<std::string> seen;
      for (std::size_t at = 0; at < stream.size(); at += piece)
        parser.feed(std::string_view(stream).substr(at, piece),
                    [&](const SseEvent& event) { seen.push_back(event.data); });
      EXPECT_EQ(seen, std::vector<std::string>{"a"});
      EXPECT_EQ(parser.dropped(), 1u);
    }
  }
}

TEST(SseParser, PassesALargeEventThatFits) {
  const std::string data(SseParser::event_bytes_max - 5, 'x');
  const auto events = read("data:" + data + "\n\n", 65'536);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data, data);
}

}  // namespace
}  // namespace memseal::wire

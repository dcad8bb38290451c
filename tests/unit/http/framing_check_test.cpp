#include "http/server/reader.hpp"

#include "base/limits.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace memseal::http {
namespace {

constexpr std::size_t body_max = 1'000;

struct Read {
  Progress head = Progress::more, body = Progress::more;
  int refused_with = 0;
  std::string text, left;
};

/// Reads one request that arrives `step` bytes at a time.
Read read(const std::string& bytes, std::size_t step) {
  RequestReader reader;
  reader.next();
  Read read;
  std::string buffer;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    buffer += bytes.substr(at, step);
    if (read.head == Progress::more) read.head = reader.read_head(buffer);
    if (read.head == Progress::done && read.body == Progress::more)
      read.body = reader.read_body(buffer, body_max);
    if (read.head == Progress::refused || read.body == Progress::refused) {
      read.refused_with = reader.refusal().status;
      return read;
    }
  }
  if (read.body == Progress::done && reader.head().has_body) read.text = reader.take_body();
  read.left = buffer;
  return read;
}

void expect_refused(const std::string& bytes, int status) {
  for (const std::size_t step : {bytes.size(), std::size_t{1}, std::size_t{7}}) {
    const auto seen = read(bytes, step);
    EXPECT_EQ(seen.refused_with, status) << "step " << step << "\n" << bytes;
  }
}

void expect_read(const std::string& bytes, const std::string& body, const std::string& left = {}) {
  for (const std::size_t step : {bytes.size(), std::size_t{1}, std::size_t{7}}) {
    const auto seen = read(bytes, step);
    EXPECT_EQ(seen.head, Progress::done) << "step " << step << "\n" << bytes;
    EXPECT_EQ(seen.body, Progress::done) << "step " << step << "\n" << bytes;
    EXPECT_EQ(seen.text, body) << bytes;
    EXPECT_EQ(seen.left, left) << bytes;
  }
}

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";

TEST(FramingCheck, LetsPlainRequestsThrough) {
  expect_read(get + "\r\n", "");
  expect_read("\r\n" + get + "\r\n", "");  // one leftover empty line
  expect_read("GET /a?b=c%20d&e=[f] HTTP/1.1\r\nHost: [::1]:7400\r\n\r\n", "");
  expect_read("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "");
  expect_read("GET / HTTP/1.0\r\n\r\n", "");
  expect_read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "");
  expect_read(get + "Content-Length: 0\r\n\r\n", "");
  expect_read("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", "");
  expect_read(post + "Content-Length: 5\r\n\r\nhello", "hello");
  expect_read(post + "Content-Length: 00005\r\n\r\nhello", "hello");
  expect_read(post + "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello");
  expect_read(post + "transfer-encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
              "hello");
  expect_read(post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok", "ok");
  expect_read(get + "X-Empty:\r\nX-Tab:\ta\tb\r\n\r\n", "");
  expect_read("FOO / HTTP/1.1\r\nHost: a\r\n\r\n", "");  // a method is the routes' business
}

TEST(FramingCheck, LeavesWhatFollowsARequestInTheBuffer) {
  const auto next = get + "\r\n";
  const auto seen = read(post + "Content-Length: 2\r\n\r\nhi" + next, 1'000);
  EXPECT_EQ(seen.text, "hi");
  EXPECT_EQ(seen.left, next);
  EXPECT_EQ(read(get + "\r\n" + next, 1'000).left, next);
}

TEST(FramingCheck, RefusesEveryAmbiguousFraming) {
  const std::vector<std::string> cases{
      // Two ways to tell where the body ends.
      post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
      post + "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
      // Encodings that are not exactly one "chunked".
      post + "Transfer-Encoding: chunked, identity\r\n\r\n",
      post + "Transfer-Encoding: gzip, chunked, chunked\r\n\r\n",
      post + "Transfer-Encoding: gzip chunked\r\n\r\n",
      post + "Transfer-Encoding: chunked, chunked\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      post + "Transfer-Encoding: chunked,\r\n\r\n",
      post + "Transfer-Encoding:\r\n\r\n",
      post + "Transfer-Encoding: chunked\xa0\r\n\r\n",
      post +
          "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
      post + "Transfer-Encoding: \"chunked\"\r\n\r\n",
      "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      // Lengths that are not one number.
      post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      post + "Content-Length: 5, 5\r\n\r\nhello",
      post + "Content-Length: +5\r\n\r\nhello",
      post + "Content-Length: -5\r\n\r\nhello",
      post + "Content-Length: 0x5\r\n\r\nhello",
      post + "Content-Length: 5 \r\nContent-Length: 5\r\n\r\nhello",
      post + "Content-Length: 1 2\r\n\r\nhello",
      post + "Content-Length:\r\n\r\nhello",
      post + "Content-Length: 99999999999\r\n\r\nhello",
      post + "Content-Length: 18446744073709551616\r\n\r\nhello",
      post + "Content_Length: 5\r\n\r\nhello",
      post + "Transfer_Encoding: chunked\r\n\r\n",
      post + "Transfer---Encoding: chunked\r\n\r\n",
      post + "Transfer___Encoding: chunked\r\n\r\n",
      post + "-Transfer-Encoding_: chunked\r\n\r\n",
      post + "TransferEncoding: chunked\r\n\r\n",
      post + "Content__Length: 5\r\n\r\nhello",
      post + "content-_-length: 5\r\n\r\nhello",
      // Fields whose name or lines two parsers cut differently.
      post + "Content-Length : 5\r\n\r\nhello",
      post + " Content-Length: 5\r\n\r\nhello",
      post + "Content\tLength: 5\r\n\r\nhello",
      post + "X: a\r\n Transfer-Encoding: chunked\r\n\r\n",
      post + "X: a\r\n\tb\r\n\r\n",
      post + "X: a\nTransfer-Encoding: chunked\r\n\r\n",
      post + "X: a\rTransfer-Encoding: chunked\r\n\r\n",
      post + "X: a" + std::string(1, '\0') + "b\r\n\r\n",
      post + "X: a\x7f\r\n\r\n",
      post + "no colon\r\n\r\n",
      post + ": nameless\r\n\r\n",
      // Bodies where none may be.
      get + "Content-Length: 5\r\n\r\nhello",
      get + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
      "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
  };
  for (const auto& bytes : cases) expect_refused(bytes, 400);
}

TEST(FramingCheck, SaysThatItDoesNotKnowATransferCoding) {
  for (const char* codings :
       {"xchunked", "identity", "gzip", "foo", "gzip, chunked", "gzip ,deflate"})
    expect_refused(post + "Transfer-Encoding: " + codings + "\r\n\r\n", 501);
}

TEST(FramingCheck, WantsExactlyOneHost) {
  for (const char* hosts : {"", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host:\r\n",
                            "Host: a b\r\n", "Host: a, b\r\n", "Host: a/b\r\n", "Host: u@a\r\n",
                            "Host: a\xff\r\n"})
    expect_refused(std::string("GET / HTTP/1.1\r\n") + hosts + "\r\n", 400);
  expect_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
  expect_refused("GET http://a/ HTTP/1.1\r\n\r\n", 400);
}

TEST(FramingCheck, ReducesAnAbsoluteTargetToItsPath) {
  struct Case {
    std::string line, target, host;
  };
  const std::vector<Case> cases{
      {"GET http://b:7400/health", "/health", "b:7400"},
      {"GET HTTPS://[::1]/a?b=c", "/a?b=c", "[::1]"},
      {"GET http://b", "/", "b"},
      {"GET http://b?q", "/?q", "b"},
      {"OPTIONS http://b", "*", "b"},
      {"OPTIONS http://b/", "/", "b"},
  };
  for (const auto& one : cases) {
    RequestReader reader;
    reader.next();
    std::string buffer = one.line + " HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_EQ(reader.read_head(buffer), Progress::done) << one.line;
    EXPECT_EQ(reader.head().target, one.target);
    EXPECT_EQ(reader.head().field("host"), one.host) << "the target's, not the field's";
  }
}

TEST(FramingCheck, WantsAPathAsItsTarget) {
  for (const char* target : {"*", "http:///a", "http://u@a/", "http:/a", "ftp://a/", "http://a/b#c",
                             "a:443", "/a#b", "/a b", "/\x80", "/a\tb", ""})
    expect_refused(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n", 400);
  expect_refused("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

TEST(FramingCheck, SpeaksHttp1Only) {
  expect_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
  expect_read("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "");
  expect_read("POST / HTTP/1.9\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", "ok");
  expect_refused("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505);
  expect_refused("GET /\r\n\r\n", 400);
  expect_refused("GET / nonsense\r\nHost: a\r\n\r\n", 400);
  for (const char* version : {"HTTP/1", "HTTP/1.", "HTTP/01.01", "HTTP/1.1.1", "HTTP/1.10",
                              "HTTP/1,1", "http/1.1", "HTTP/x.1", "HTTP/11", "HTTP/3"})
    expect_refused(std::string("GET / ") + version + "\r\nHost: a\r\n\r\n", 400);
  expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
  expect_refused(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 400);  // TLS
}

TEST(FramingCheck, SkipsOneEmptyLineAndNoMore) {
  expect_refused("\r\n\r\n" + get + "\r\n", 400);
  expect_refused("\r\r\n" + get + "\r\n", 400);
  expect_refused("\n" + get + "\r\n", 400);
}

TEST(FramingCheck, MeetsNoOtherExpectationThanContinue) {
  expect_refused(post + "Expect: 200-ok\r\nContent-Length: 2\r\n\r\nok", 417);
  expect_refused(post + "Expect: 100-continue\r\nExpect: 100-continue\r\n"
                        "Content-Length: 2\r\n\r\nok",
                 417);
}

TEST(FramingCheck, BoundsTheHead) {
  const auto room = limits::http_header_bytes_max - get.size() - std::string("X: \r\n\r\n").size();
  expect_read(get + "X: " + std::string(room, 'x') + "\r\n\r\n", "");
  expect_refused(get + "X: " + std::string(room + 1, 'x') + "\r\n\r\n", 431);
  expect_refused("GET /" + std::string(limits::http_header_bytes_max, 'a'), 431);

  std::string fields;
  for (std::size_t i = 1; i < limits::http_header_fields_max; ++i) fields += "X: 1\r\n";
  expect_read(get + fields + "\r\n", "");
  expect_refused(get + fields + "X: 1\r\n\r\n", 431);
}

TEST(FramingCheck, BoundsTheBody) {
  const std::string fits(body_max, 'x'), over(body_max + 1, 'x');
  expect_read(post + "Content-Length: 1000\r\n\r\n" + fits, fits);
  expect_refused(post + "Content-Length: 1001\r\n\r\n", 413);
  expect_refused(post + "Content-Length: 9999999999\r\n\r\n", 413);
  expect_read(post + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + fits + "\r\n0\r\n\r\n", fits);
  expect_refused(post + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + over + "\r\n0\r\n\r\n", 413);
  expect_refused(post + "Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + fits.substr(0, 500) +
                     "\r\n1f5\r\n" + over.substr(0, 501) + "\r\n0\r\n\r\n",
                 413);
}

TEST(FramingCheck, RefusesMalformedChunks) {
  const auto chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  for (const char* body :
       {"x\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\nhello\r\n",
        "\r\nhello\r\n"})
    expect_refused(chunked + body, 400);
  expect_refused(chunked + "5;" + std::string(8'000, 'e'), 400);
}

}  // namespace
}  // namespace memseal::http

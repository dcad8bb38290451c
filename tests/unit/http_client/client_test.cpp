#include "adapters/http_client/client.hpp"

#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"
#include "support/scripted_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <span>

namespace memseal::http_client {
namespace {

using namespace std::chrono_literals;
using runtime::Clock;
using runtime::Deadline;
using test::answering;
using test::Identity;
using test::Peer;
using test::response_of;
using test::ScriptedServer;
using test::TemporaryFile;

class HttpClient : public ::testing::Test {
 protected:
  ~HttpClient() override { client.reset(); }

  void open(const std::string& url, const std::string& ca_file = "") {
    auto made = Client::make(Url::parse(url).value(), {ca_file, "--ca-file"});
    ASSERT_TRUE(made) << made.error().message;
    client = std::move(*made);
  }

  /// The response, or a Failure that says why there is none.
  Response send(const Request& request = {}, Deadline deadline = Deadline::never()) {
    std::optional<Response> response;
    test::run_to_end(loop, keep(request, deadline, nullptr, response));
    return std::move(*response);
  }
  Response stream(const Request& request, const BodySink& sink) {
    std::optional<Response> response;
    test::run_to_end(loop, keep(request, Deadline::never(), &sink, response));
    return std::move(*response);
  }
  Error error_of(const Request& request = {}, Deadline deadline = Deadline::after(20s)) {
    try {
      send(request, deadline);
    } catch (const Failure& failed) {
      return failed.error();
    }
    return {Errc::bad_json, "there was a response"};
  }

  asio::awaitable<void> keep(const Request& request, Deadline deadline, const BodySink* sink,
                             std::optional<Response>& response) {
    if (sink != nullptr)
      response = co_await client->stream(request, deadline, *sink);
    else
      response = co_await client->send(request, deadline);
  }

  asio::io_context loop{1};
  std::unique_ptr<Client> client;
};

TEST_F(HttpClient, SendsARequestAsItWasGiven) {
  std::string seen;
  ScriptedServer server([&](Peer& peer) {
    seen = peer.read_request();
    peer.send(response_of("201 Created", "done", "Location: /it\r\nX-A: 1\r\nx-a: 2\r\n"));
  });
  open(server.url() + "/base/");
  const auto response =
      send({.method = "POST", .path = "/part?x=1", .headers = {{"Accept", "a/b"}}, .body = "text"});
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(response.header("location"), "/it");
  EXPECT_EQ(response.header("x-a"), "1");
  EXPECT_EQ(response.header("absent"), "");
  EXPECT_TRUE(seen.starts_with("POST /base/part?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + server.port() +
                               "\r\nUser-Agent: memseal/"))
      << seen;
  EXPECT_NE(seen.find("\r\nAccept: a/b\r\n"), std::string::npos);
  EXPECT_TRUE(seen.ends_with("Content-Length: 4\r\n\r\ntext")) << seen;
}

TEST_F(HttpClient, SendsNothingWhoseHeadHoldsALineBreak) {
  ScriptedServer server(answering(response_of("200 OK", "")));
  open(server.url());
  const Request bad[] = {{.method = "GET\r\nX: y"},
                         {.path = "/\r\nX: y"},
                         {.path = "/a b"},
                         {.headers = {{"Authorization", "Bearer a\r\nX: y"}}},
                         {.headers = {{"A\nB", "c"}}},
                         {.headers = {{"A", std::string("b\0c", 3)}}}};
  for (const auto& request : bad) EXPECT_EQ(error_of(request).code, Errc::bad_request);
}

TEST_F(HttpClient, TakesAnyStatusAsAResponse) {
  for (const std::string status : {"200 OK", "404 Not Found", "429 Too Many Requests", "503 x"}) {
    ScriptedServer server(answering(response_of(status, "body of it")));
    open(server.url());
    const auto response = send();
    EXPECT_EQ(std::to_string(response.status), status.substr(0, 3));
    EXPECT_EQ(response.body, "body of it");
    client.reset();
  }
}

TEST_F(HttpClient, SkipsInterimResponses) {
  ScriptedServer server(answering("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                                  "HTTP/1.1 100 Continue\r\n\r\n" +
                                  response_of("200 OK", "final")));
  open(server.url());
  EXPECT_EQ(send().body, "final");
}

TEST_F(HttpClient, KeepsItsConnectionAndReplacesALostOne) {
  std::atomic<std::size_t> last{0};
  ScriptedServer server([&](Peer& peer) {
    for (int i = 0; i < 2 && !peer.read_request().empty(); ++i) {
      last = peer.number();
      peer.send(response_of("200 OK", "x"));
    }
  });
  open(server.url());
  send();
  EXPECT_EQ(last, 1u);
  send();
  EXPECT_EQ(last, 1u) << "the second request goes over the first's connection";
  send();
  EXPECT_EQ(last, 2u) << "the server closed it, so the third opens another";
}

/// The letters a, b, … z over and over.
class Letters final : public BodySource {
 public:
  explicit Letters(std::uint64_t size) : size_(size) {}
  std::uint64_t size() const noexcept override { return size_; }
  void read(std::uint64_t offset, std::span<char> into) const override {
    for (auto& letter : into) letter = static_cast<char>('a' + offset++ % 26);
    most = std::max(most, into.size());
  }
  std::string all() const {
    std::string text(size_, ' ');
    read(0, text);
    return text;
  }
  mutable std::size_t most = 0;  ///< that was asked for at one time

 private:
  const std::uint64_t size_;
};

TEST_F(HttpClient, SendsABodyThatIsReadMeanwhileAndAgainWhereItsConnectionIsLost) {
  std::mutex guard;
  std::vector<std::string> seen;
  ScriptedServer server([&](Peer& peer) {
    const auto request = peer.read_request();
    const std::lock_guard lock(guard);
    seen.push_back(request);
    peer.send(response_of("200 OK", ""));
  });
  open(server.url());
  const Letters letters(1'000'003), empty(0);
  for (int round = 0; round < 2; ++round)
    EXPECT_EQ(send({.method = "POST", .path = "/", .source = &letters}).status, 200);
  EXPECT_LT(letters.most, 300'000u);
  EXPECT_EQ(send({.method = "POST", .path = "/", .source = &empty}).status, 200);
  const std::lock_guard lock(guard);
  ASSERT_EQ(seen.size(), 3u);
  for (int round = 0; round < 2; ++round) {
    EXPECT_NE(seen[round].find("Content-Length: 1000003\r\n"), std::string::npos);
    EXPECT_TRUE(seen[round].ends_with("\r\n\r\n" + letters.all()));
  }
  EXPECT_NE(seen[2].find("Content-Length: 0\r\n"), std::string::npos);
}

TEST_F(HttpClient, HearsAServerThatRefusesABodyInItsMiddle) {
  ScriptedServer server([](Peer& peer) {
    peer.send(response_of("413 Content Too Large", "no", "Connection: close\r\n"));
  });
  open(server.url());
  const Letters letters(std::uint64_t{1} << 40);
  const auto response = send({.method = "POST", .path = "/", .source = &letters});
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "no");
}

TEST_F(HttpClient, ClosesAConnectionThatTheServerWillNotContinue) {
  std::atomic<std::size_t> last{0};
  ScriptedServer server([&](Peer& peer) {
    peer.read_request();
    last = peer.number();
    peer.send(response_of("200 OK", "x", "Connection: close\r\n"));
    peer.wait_for_end();
  });
  open(server.url());
  send();
  send();
  EXPECT_EQ(last, 2u);
}

// A request that may have been carried out is not repeated behind the caller's back.
TEST_F(HttpClient, RepeatsNoRequestWhoseResponseBegan) {
  std::atomic<int> requests{0};
  ScriptedServer server([&](Peer& peer) {
    peer.read_request();
    ++requests;
    peer.send(response_of("200 OK", "x"));
    peer.read_request();
    ++requests;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal");
  });
  open(server.url());
  send();
  EXPECT_EQ(error_of().code, Errc::unavailable);
  EXPECT_EQ(requests, 2);
}

TEST_F(HttpClient, SaysWhyThereIsNoConnection) {
  std::string url;
  {
    ScriptedServer gone(answering(""));
    url = gone.url();
  }
  open(url);
  const auto refused = error_of();
  EXPECT_EQ(refused.code, Errc::unavailable);
  EXPECT_NE(refused.message.find(url), std::string::npos) << refused.message;
  EXPECT_NE(refused.message.find("refused"), std::string::npos) << refused.message;
}

// ---- Time ----

TEST_F(HttpClient, EndsAtTheDeadlineWhenNothingIsAnswered) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_end(); });
  open(server.url());
  const auto start = Clock::now();
  EXPECT_EQ(error_of({}, Deadline::after(100ms)).code, Errc::timeout);
  EXPECT_LT(Clock::now() - start, 10s);
}

TEST_F(HttpClient, EndsAtTheDeadlineHoweverBusyTheServerIs) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (peer.send("1\r\nx\r\n")) std::this_thread::sleep_for(5ms);
  });
  open(server.url());
  Request request;
  request.idle_timeout = 10s;
  const auto start = Clock::now();
  EXPECT_EQ(error_of(request, Deadline::after(150ms)).code, Errc::timeout);
  EXPECT_LT(Clock::now() - start, 10s);
}

TEST_F(HttpClient, EndsWhenTheServerIsSilentForTooLong) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal");
    peer.wait_for_end();
  });
  open(server.url());
  Request request;
  request.idle_timeout = 100ms;
  EXPECT_EQ(error_of(request, Deadline::never()).code, Errc::timeout);
}

TEST_F(HttpClient, IsPatientWithAServerThatKeepsTalking) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(50ms);
      peer.send("x");
    }
  });
  open(server.url());
  Request request;
  request.idle_timeout = 400ms;  // Less than the whole takes.
  EXPECT_EQ(send(request).body, "xxxxxxxxxx");
}

TEST_F(HttpClient, GivesAHandshakeNoMoreThanTheConnectTimeout) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_end(); });  // It does not speak TLS.
  open("https://127.0.0.1:" + server.port());
  Request request;
  request.connect_timeout = 100ms;
  const auto start = Clock::now();
  EXPECT_EQ(error_of(request).code, Errc::timeout);
  EXPECT_LT(Clock::now() - start, 10s);
}

asio::awaitable<void> call(Client& client, std::exception_ptr& thrown) {
  const Request request;
  try {
    co_await client.send(request, Deadline::never());
  } catch (...) {
    thrown = std::current_exception();
  }
}

asio::awaitable<void> call_and_leave(Client& client, std::exception_ptr& thrown) {
  runtime::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(call(client, thrown));
  co_await runtime::pause_for(50ms);
  group.cancel();
  co_await group.join();
}

TEST_F(HttpClient, EndsWithItsCaller) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_end(); });
  open(server.url());
  std::exception_ptr thrown;
  test::run_to_end(loop, call_and_leave(*client, thrown));
  ASSERT_TRUE(thrown);
  EXPECT_THROW(std::rethrow_exception(thrown), boost::system::system_error);
}

// ---- Bodies ----

TEST_F(HttpClient, RefusesALargerBodyThanItMayBe) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n";
  for (const auto& answer :
       {response_of("200 OK", std::string(16, 'x')), chunked,
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(16, 'x')}) {
    ScriptedServer server([&](Peer& peer) {
      peer.read_request();
      peer.send(answer);
    });
    open(server.url());
    Request request;
    request.body_bytes_max = 15;
    EXPECT_EQ(error_of(request).code, Errc::payload_too_large) << answer;
    client.reset();
  }
}

TEST_F(HttpClient, RefusesAChunkSizeLineWithoutEnd) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    while (peer.send(std::string(4'096, 'a'))) {
    }
  });
  open(server.url());
  const auto start = Clock::now();
  EXPECT_EQ(error_of({}).code, Errc::unavailable);
  EXPECT_LT(Clock::now() - start, 5s) << "not by its deadline";
}

TEST_F(HttpClient, TakesABodyOfExactlyTheLimit) {
  ScriptedServer server(answering(response_of("200 OK", std::string(16, 'x'))));
  open(server.url());
  Request request;
  request.body_bytes_max = 16;
  EXPECT_EQ(send(request).body.size(), 16u);
}

TEST_F(HttpClient, LimitsAStreamAsAWhole) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (peer.send("10\r\n0123456789abcdef\r\n")) {
    }
  });
  open(server.url());
  Request request;
  request.body_bytes_max = 1'000;
  std::size_t taken = 0;
  const BodySink count = [&](std::string_view piece) { return (taken += piece.size()) > 0; };
  try {
    stream(request, count);
    FAIL() << "a stream without end was taken whole";
  } catch (const Failure& failed) {
    EXPECT_EQ(failed.error().code, Errc::payload_too_large);
  }
  EXPECT_LE(taken, 1'000u);
}

TEST_F(HttpClient, HandsOutAStreamAsItArrives) {
  std::promise<void> first_taken;
  ScriptedServer server([&](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n");
    // The second piece is not sent before the client has handed out the first.
    first_taken.get_future().wait();
    peer.send("6\r\nsecond\r\n0\r\n\r\n");
  });
  open(server.url());
  std::string all;
  const BodySink sink = [&](std::string_view piece) {
    if (all.empty()) first_taken.set_value();
    all += piece;
    return true;
  };
  const auto response = stream({}, sink);
  EXPECT_EQ(all, "first second");
  EXPECT_EQ(response.body, "");
}

TEST_F(HttpClient, StopsReadingWhenTheSinkHasEnough) {
  std::promise<void> client_left;
  ScriptedServer server([&](Peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmore\r\n");
    peer.wait_for_end();
    client_left.set_value();
  });
  open(server.url());
  const auto response = stream({}, [](std::string_view) { return false; });
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(client_left.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(HttpClient, StreamsSuccessOnly) {
  ScriptedServer server(answering(response_of("503 Busy", "the reason")));
  open(server.url());
  bool called = false;
  const auto response = stream({}, [&](std::string_view) { return called = true; });
  EXPECT_FALSE(called);
  EXPECT_EQ(response.body, "the reason");
}

TEST_F(HttpClient, TellsACutInTheMiddleOfAStreamAfterWhatArrived) {
  const auto identity = Identity::make("IP:127.0.0.1");
  const TemporaryFile authority(identity.certificate);
  for (const auto* shown : {static_cast<const Identity*>(nullptr), &identity}) {
    ScriptedServer server(
        [](Peer& peer) {
          peer.read_request();
          peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n9\r\nsec");
        },
        shown);
    open(server.url(), authority.path());
    std::string all;
    try {
      stream({}, [&](std::string_view piece) { return !(all += piece).empty(); });
      FAIL() << "half a stream passed for a whole one";
    } catch (const Failure& failed) {
      EXPECT_EQ(failed.error().code, Errc::unavailable);
      EXPECT_NE(failed.error().message.find("closed the connection"), std::string::npos)
          << failed.error().message;
    }
    EXPECT_EQ(all, "firstsec");
    client.reset();
  }
}

// ---- Responses that are none ----

TEST_F(HttpClient, RefusesMalformedResponses) {
  const struct {
    const char* name;
    std::string bytes;
  } cases[] = {
      {"nothing", ""},
      {"half a status line", "HTTP/1.1 2"},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n"},
      {"a TLS alert", std::string("\x15\x03\x01\x00\x02\x02\x46", 7)},
      {"HTTP/2", "HTTP/2 200 OK\r\n\r\n"},
      {"HTTP/0.9", "HTTP/0.9 200 OK\r\n\r\n"},
      {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"a status of letters", "HTTP/1.1 abc OK\r\n\r\n"},
      {"a field without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"},
      {"a field without a colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"},
      {"a control character in a field", "HTTP/1.1 200 OK\r\na: \x01\r\n\r\n"},
      {"a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n"},
      {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"},
      {"a length and chunks",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"a chunk size that is no number",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"},
      {"a chunk size beyond all numbers",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n"},
      {"a chunk longer than its size",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n"},
      {"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"},
      {"a body cut short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"},
      {"a head without end", "HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'x')},
      {"a change of protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
      {"interim responses without end", [] {
         std::string all;
         for (int i = 0; i < 20; ++i) all += "HTTP/1.1 103 Early Hints\r\n\r\n";
         return all;
       }()}};
  for (const auto& [name, bytes] : cases) {
    ScriptedServer server([&said = bytes](Peer& peer) {
      peer.read_request();
      peer.send(said);
    });
    open(server.url());
    const auto error = error_of();
    EXPECT_EQ(error.code, Errc::unavailable) << name << ": " << error.message;
    EXPECT_NE(error.message.find(server.url()), std::string::npos) << name;
    EXPECT_LT(error.message.size(), 200u) << name;
    client.reset();
  }
}

// ---- TLS ----

TEST_F(HttpClient, SpeaksTlsToANameOrAddressThatItsAuthorityVouchesFor) {
  const auto identity = Identity::make("DNS:localhost,IP:127.0.0.1");
  const TemporaryFile authority(identity.certificate);
  std::string asked;
  ScriptedServer server(
      [&](Peer& peer) {
        asked = peer.asked_name();
        peer.read_request();
        peer.send(response_of("200 OK", "secret"));
      },
      &identity);
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    open(server.url(host), authority.path());
    EXPECT_EQ(send().body, "secret");
    EXPECT_EQ(asked, host == "localhost" ? host : "") << "an address must not be sent as a name";
    client.reset();
  }
}

TEST_F(HttpClient, SendsNothingToAServerThatItDoesNotTrust) {
  const auto right = Identity::make("DNS:localhost,IP:127.0.0.1");
  const auto wrong_name = Identity::make("DNS:other.example,DNS:*.localhost,IP:127.0.0.2");
  const TemporaryFile own(right.certificate), of_wrong_name(wrong_name.certificate);
  const struct {
    const char* name;
    const Identity& identity;
    std::string host, ca_file, says;
  } cases[] = {
      {"no authority", right, "localhost", "", "self-signed"},
      {"another authority", right, "localhost", of_wrong_name.path(), "self-signed"},
      {"another name", wrong_name, "localhost", of_wrong_name.path(), "hostname mismatch"},
      {"another address", wrong_name, "127.0.0.1", of_wrong_name.path(), "IP address mismatch"}};
  for (const auto& [name, identity, host, ca_file, says] : cases) {
    std::atomic<bool> served{false};
    ScriptedServer server([&](Peer& peer) { served = !peer.read_request().empty(); }, &identity);
    open(server.url(host), ca_file);
    const auto error = error_of();
    EXPECT_EQ(error.code, Errc::bad_config) << name << ": " << error.message;
    EXPECT_EQ(error.field, "--ca-file");
    EXPECT_NE(error.message.find(says), std::string::npos) << name << ": " << error.message;
    EXPECT_FALSE(served) << name;
    client.reset();
  }
}

TEST_F(HttpClient, RefusesACaFileThatHoldsNoCertificate) {
  const TemporaryFile empty(""), prose("no certificate");
  for (const auto& path : {std::string("/nonexistent/ca.pem"), empty.path(), prose.path(),
                           std::string("/")}) {
    const auto made =
        Client::make(Url::parse("https://localhost").value(), {path, "--ca-file"});
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code, Errc::bad_config);
    EXPECT_EQ(made.error().field, "--ca-file");
    EXPECT_NE(made.error().message.find(path), std::string::npos);
  }
}

// Without a length, only the end says where the body ends: over TLS an end must be announced.
TEST_F(HttpClient, TakesABodyUpToTheEndOnlyIfTheEndIsAnnounced) {
  const auto identity = Identity::make("IP:127.0.0.1");
  const TemporaryFile authority(identity.certificate);
  for (const bool announced : {true, false}) {
    ScriptedServer server(
        [&](Peer& peer) {
          peer.read_request();
          peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
          if (announced) peer.end_tls();
        },
        &identity);
    open(server.url(), authority.path());
    if (announced)
      EXPECT_EQ(send().body, "all of it");
    else
      EXPECT_EQ(error_of().code, Errc::unavailable);
    client.reset();
  }
}

TEST_F(HttpClient, CallsAServerWithoutTlsUnavailable) {
  ScriptedServer server([](Peer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  open("https://127.0.0.1:" + server.port());
  EXPECT_EQ(error_of().code, Errc::unavailable);
}

TEST(Loopback, IsAnAddressAndNotWhatLooksLikeOne) {
  for (const std::string host : {"localhost", "127.0.0.1", "127.1.2.3", "::1"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const std::string host : {"", "127.0.0.1.example.com", "127.example.com", "0.0.0.0", "::",
                                 "10.0.0.1", "localhost.example.com", "example.com", "2130706433"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

TEST_F(HttpClient, StreamsAPartOfAContentAndShowsItsHeadBefore) {
  ScriptedServer server([](Peer& peer) {
    while (!peer.read_request().empty())
      peer.send(
          "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3\r\n\r\n"
          "def");
  });
  open(server.url());
  std::string range, body;
  const auto sink = [&](std::string_view piece) {
    EXPECT_EQ(range, "bytes 3-5/6") << "the head comes first";
    body += piece;
    return true;
  };
  Request request;
  request.began = [&](const Response& head) {
    range = head.header("content-range");
    return true;
  };
  EXPECT_EQ(stream(request, sink).status, 206);
  EXPECT_EQ(body, "def");
  request.began = [](const Response&) { return false; };
  EXPECT_EQ(stream(request, sink).status, 206);
  EXPECT_EQ(body, "def") << "not read";
}

TEST_F(HttpClient, GoesThroughAProxyThatMakesAWay) {
  std::atomic<int> ways = 0;
  ScriptedServer proxy([&](Peer& peer) {
    const auto asked = peer.read_request();
    EXPECT_TRUE(asked.starts_with("CONNECT service.invalid:80 HTTP/1.1\r\n")) << asked;
    if (++ways == 1) {
      peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
      EXPECT_NE(peer.read_request().find("Host: service.invalid\r\n"), std::string::npos);
      peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    } else {
      peer.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
  });
  auto made = Client::make(Url::parse("http://service.invalid").value(), {.proxy = proxy.url()});
  ASSERT_TRUE(made) << made.error().message;
  client = std::move(*made);
  EXPECT_EQ(send().body, "hello");
  const auto error = error_of();
  EXPECT_EQ(error.code, Errc::unavailable);
  EXPECT_NE(error.message.find("it answers 407"), std::string::npos) << error.message;
  for (const char* const bad : {"https://proxy", "proxy:3128"})
    EXPECT_EQ(Client::make(Url::parse("http://service.invalid").value(), {.proxy = bad})
                  .error().code,
              Errc::bad_config);
}

}  // namespace
}  // namespace memseal::http_client

// The commands that call a running service, against a server that says what a test wants.
#include "app/service/exit_code.hpp"
#include "pure/codec/base64.hpp"
#include "support/run_program.hpp"
#include "support/scripted_server.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>

namespace memseal::app {
namespace {

using test::Identity;
using test::Peer;
using test::response_of;
using test::run_program;
using test::ScriptedServer;
using test::TemporaryFile;

std::string stream_of(const std::string& events) {
  return response_of("200 OK", events, "Content-Type: text/event-stream\r\n");
}

std::string completed(int count) {
  return "event: query.completed\ndata: {\"count\":" + std::to_string(count) +
         ",\"candidates\":" + std::to_string(count) +
         ",\"reranked\":false,\"timings\":{\"total_ms\":1.5}}\n\n";
}

/// A token of any claims; nothing checks its signature here.
std::string token_of(const std::string& claims) {
  const auto part = [](const std::string& text) {
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    return codec::encode_base64(bytes, codec::Base64::url);
  };
  return part(R"({"alg":"HS256"})") + "." + part(claims) + "." + part("signature");
}

class HttpCommands : public testing::Test {
 protected:
  HttpCommands() {
    for (const auto* name : {"MEMSEAL_TOKEN", "MEMSEAL_CA_FILE", "MEMSEAL_CONFIG"})
      ::unsetenv(name);
  }
  ~HttpCommands() override {
    ::unsetenv("MEMSEAL_TOKEN");
    ::unsetenv("MEMSEAL_CA_FILE");
  }

  /// A script that keeps each request and answers it.
  ScriptedServer::Script answer(std::string bytes) {
    return [this, bytes = std::move(bytes)](Peer& peer) {
      for (;;) {
        const auto request = peer.read_request();
        if (request.empty()) return;
        {
          const std::lock_guard lock(guard);
          requests.push_back(request);
        }
        if (!peer.send(bytes)) return;
      }
    };
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(guard);
    return std::exchange(requests, {});
  }

  std::mutex guard;
  std::vector<std::string> requests;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(HttpCommands, TakeABaseAddressWithOrWithoutASlashAtItsEnd) {
  ScriptedServer server(answer(stream_of(completed(0))));
  const std::pair<std::string, std::string> cases[] = {
      {"", "/api/v1/memory/query"},
      {"/", "/api/v1/memory/query"},
      {"/memory//", "/memory/api/v1/memory/query"}};
  for (const auto& [path, target] : cases) {
    const auto outcome = run_program({"query", "x", "--url", server.url() + path, "--token", "t"});
    EXPECT_EQ(outcome.code, exit_ok) << outcome.err;
    const auto requests = seen();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_TRUE(requests[0].starts_with("POST " + target + " HTTP/1.1\r\n")) << requests[0];
    EXPECT_TRUE(has(requests[0], "\r\nAuthorization: Bearer t\r\n"));
  }
}

TEST_F(HttpCommands, AskHealthBelowTheSameBaseAddress) {
  ScriptedServer server(answer(response_of("200 OK", R"({"status":"ready"})")));
  const std::pair<std::string, std::string> cases[] = {
      {"", "/ready"},       {"/", "/ready"},       {"/memory", "/memory/ready"},
      {"/ready", "/ready"}, {"/ready/", "/ready"}, {"/health", "/health"}};
  for (const auto& [path, target] : cases) {
    const auto outcome = run_program({"health", "--url", server.url() + path});
    EXPECT_EQ(outcome.code, exit_ok) << outcome.err;
    EXPECT_EQ(outcome.out, "{\"status\":\"ready\"}\n");
    const auto requests = seen();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_TRUE(requests[0].starts_with("GET " + target + " HTTP/1.1\r\n")) << requests[0];
    EXPECT_FALSE(has(requests[0], "Authorization"));
  }
}

TEST_F(HttpCommands, TellAServiceThatIsNotReady) {
  ScriptedServer server(answer(response_of("503 Service Unavailable", "{\"kafka\":\"\x1b[2J\"}")));
  const auto outcome = run_program({"health", "--url", server.url()});
  EXPECT_EQ(outcome.code, exit_not_ready);
  EXPECT_EQ(outcome.out, "{\"kafka\":\"\\u001b[2J\"}\n");
}

TEST_F(HttpCommands, CheckTheAddressBeforeAnythingIsSent) {
  const std::pair<std::string, std::string> cases[] = {
      {"http://127.0.0.1:99999", "port"},
      {"https://127.0.0.1:65536", "port"},
      {"http://127.0.0.1:0", "port"},
      {"http://127.0.0.1:", "port"},
      {"http://127.0.0.1:http", "port"},
      {"127.0.0.1:7400", "https:// or http://"},
      {"ftp://127.0.0.1", "https:// or http://"},
      {"http://", "host"},
      {"http://user:pw@127.0.0.1", "scheme, host, port and path"},
      {"http://127.0.0.1/?a=b", "scheme, host, port and path"},
      {"http://[::1", "host or port"}};
  for (const auto& [url, says] : cases)
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"query", "x"}, {"rerank-metrics"}, {"health"}}) {
      auto words = command;
      words.insert(words.end(), {"--url", url});
      const auto outcome = run_program(words);
      EXPECT_EQ(outcome.code, exit_usage) << url;
      EXPECT_EQ(outcome.out, "");
      EXPECT_TRUE(outcome.err.starts_with("memseal: --url ")) << outcome.err;
      EXPECT_TRUE(has(outcome.err, says)) << outcome.err;
      EXPECT_FALSE(has(outcome.err, "pw")) << outcome.err;
    }
}

TEST_F(HttpCommands, SpeakTlsWithTheAuthorityThatIsNamed) {
  const auto identity = Identity::make("DNS:localhost,IP:127.0.0.1");
  const TemporaryFile authority(identity.certificate);
  ScriptedServer server(answer(stream_of(completed(0))), &identity);
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    const auto flag = run_program(
        {"query", "x", "--url", server.url(host), "--token", "t", "--ca-file", authority.path()});
    EXPECT_EQ(flag.code, exit_ok) << flag.err;
    EXPECT_EQ(seen().size(), 1u);
  }
  ::setenv("MEMSEAL_CA_FILE", authority.path().c_str(), 1);
  EXPECT_EQ(run_program({"query", "x", "--url", server.url(), "--token", "t"}).code, exit_ok);
  EXPECT_EQ(run_program({"health", "--url", server.url()}).code, exit_ok);
  EXPECT_EQ(seen().size(), 2u);
}

TEST_F(HttpCommands, SendNoTokenToAServiceThatIsNotTrusted) {
  const auto identity = Identity::make("DNS:other.example,IP:127.0.0.2");
  const TemporaryFile authority(identity.certificate);
  ScriptedServer server(answer(stream_of(completed(0))), &identity);
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{}, "--ca-file"}, {{"--ca-file", authority.path()}, "mismatch"}};
  for (const auto& [more, says] : cases) {
    std::vector<std::string> words{"query", "x", "--url", server.url("localhost"), "--token", "t"};
    words.insert(words.end(), more.begin(), more.end());
    const auto outcome = run_program(words);
    EXPECT_EQ(outcome.code, exit_usage);
    EXPECT_TRUE(has(outcome.err, says)) << outcome.err;
    EXPECT_TRUE(seen().empty());
  }
}

TEST_F(HttpCommands, RefuseACaFileThatCannotBeUsed) {
  ScriptedServer server(answer(stream_of(completed(0))));
  const auto plain =
      run_program({"query", "x", "--url", server.url(), "--ca-file", "/nonexistent/ca"});
  EXPECT_EQ(plain.code, exit_usage);
  EXPECT_TRUE(has(plain.err, "--ca-file is for an https:// address")) << plain.err;
  const auto missing = run_program(
      {"health", "--url", "https://127.0.0.1:" + server.port(), "--ca-file", "/nonexistent/ca"});
  EXPECT_EQ(missing.code, exit_usage);
  EXPECT_TRUE(has(missing.err, "/nonexistent/ca")) << missing.err;
  EXPECT_TRUE(seen().empty());
}

TEST_F(HttpCommands, NameATokenFileThatHoldsNoToken) {
  ScriptedServer server(answer(stream_of(completed(0))));
  const TemporaryFile empty(""), blank(" \n\n"), two_lines("abc\ndef\n"), binary("\x01\x02"),
      long_one(std::string(5'000, 'x'));
  ::setenv("MEMSEAL_TOKEN", "of-another-user", 1);
  for (const auto& path :
       {std::string("/nonexistent/token"), std::string("/"), empty.path(), blank.path(),
        two_lines.path(), binary.path(), long_one.path(), std::string("/dev/zero")})
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"query", "x"}, {"rerank-metrics"}}) {
      auto words = command;
      words.insert(words.end(), {"--url", server.url(), "--token-file", path});
      const auto outcome = run_program(words);
      EXPECT_EQ(outcome.code, exit_usage) << path;
      EXPECT_TRUE(has(outcome.err, path)) << outcome.err;
      EXPECT_FALSE(has(outcome.err, "abc")) << outcome.err;
      EXPECT_FALSE(has(outcome.err, "basic_")) << outcome.err;
      EXPECT_TRUE(seen().empty()) << path;
    }
}

TEST_F(HttpCommands, TakeTheTokenFromOptionFileOrEnvironmentInThisOrder) {
  ScriptedServer server(answer(stream_of(completed(0))));
  const TemporaryFile file(" from-file\r\n");
  ::setenv("MEMSEAL_TOKEN", "from-environment\n", 1);
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{}, "from-environment"},
      {{"--token-file", file.path()}, "from-file"},
      {{"--token-file", file.path(), "--token", "from-option"}, "from-option"}};
  for (const auto& [more, token] : cases) {
    std::vector<std::string> words{"query", "x", "--url", server.url()};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(run_program(words).code, exit_ok);
    const auto requests = seen();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_TRUE(has(requests[0], "\r\nAuthorization: Bearer " + token + "\r\n")) << requests[0];
  }
}

TEST_F(HttpCommands, SendATokenInClearTextToThisMachineOnly) {
  for (const std::string host : {"192.0.2.1", "127.0.0.1.memseal.invalid", "[2001:db8::1]"}) {
    const auto outcome =
        run_program({"query", "x", "--url", "http://" + host + ":7400", "--token", "t"});
    EXPECT_EQ(outcome.code, exit_usage);
    EXPECT_TRUE(has(outcome.err, "clear text")) << outcome.err;
    EXPECT_TRUE(has(outcome.err, "--insecure")) << outcome.err;
  }
  // The address of all of a machine's networks reaches this machine, but is none of its loopback.
  ScriptedServer server(answer(stream_of(completed(0))));
  const auto url = server.url("0.0.0.0");
  EXPECT_EQ(run_program({"query", "x", "--url", url, "--token", "t"}).code, exit_usage);
  EXPECT_EQ(run_program({"rerank-metrics", "--url", url, "--token", "t"}).code, exit_usage);
  EXPECT_TRUE(seen().empty());
  EXPECT_EQ(run_program({"query", "x", "--url", url, "--token", "t", "--insecure"}).code, exit_ok);
  EXPECT_EQ(run_program({"query", "x", "--url", url}).code, exit_ok) << "there is no token to lose";
  EXPECT_EQ(seen().size(), 2u);
}

TEST_F(HttpCommands, SayWhyATokenIsNotAccepted) {
  ScriptedServer server(answer(response_of(
      "401 Unauthorized", R"({"title":"Unauthenticated","detail":"a valid token is required"})",
      "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n")));
  const std::tuple<std::string, std::string> cases[] = {
      {"", "no token was given: use --token-file"},
      {token_of(R"({"exp":1000000000})"), "the token expired at 2001-09-09T01:46:40"},
      {token_of(R"({"exp":99999999999})"), "does not accept this token"},
      {token_of(R"({"exp":"soon"})"), "does not accept this token"},
      {token_of(R"({"exp":-9223372036854775808})"), "does not accept this token"},
      {"a.b.c", "does not accept this token"},
      {"opaque", "does not accept this token"}};
  for (const auto& [token, says] : cases) {
    std::vector<std::string> words{"query", "x", "--url", server.url()};
    if (!token.empty()) words.insert(words.end(), {"--token", token});
    const auto outcome = run_program(words);
    EXPECT_EQ(outcome.code, exit_denied);
    EXPECT_TRUE(has(outcome.err, "memseal: HTTP 401: a valid token is required\n")) << outcome.err;
    EXPECT_TRUE(has(outcome.err, says)) << outcome.err;
    if (!token.empty()) {
      EXPECT_FALSE(has(outcome.err, token)) << "a token must not be printed";
    }
    EXPECT_EQ(run_program({"rerank-metrics", "--url", server.url()}).code, exit_denied);
  }
}

TEST_F(HttpCommands, SayWhenToTryAgain) {
  const std::tuple<std::string, std::string, int> cases[] = {
      {"429 Too Many Requests", "12", exit_failed},
      {"503 Service Unavailable", "1", exit_not_ready}};
  for (const auto& [status, seconds, code] : cases) {
    ScriptedServer server(answer(response_of(status, R"({"detail":"the limit is used up"})",
                                             "Retry-After: " + seconds + "\r\n")));
    const auto outcome = run_program({"query", "x", "--url", server.url(), "--token", "t"});
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.err, "memseal: HTTP " + status.substr(0, 3) +
                               ": the limit is used up\nmemseal: try again in " + seconds + " s\n");
  }
}

TEST_F(HttpCommands, ExplainAnAddressThatIsNotMemseals) {
  ScriptedServer page(answer(response_of("404 Not Found", "<html>\x1b[31m")));
  const auto lost = run_program({"query", "x", "--url", page.url(), "--token", "t"});
  EXPECT_EQ(lost.code, exit_not_found);
  EXPECT_TRUE(has(lost.err, "is this the address of memseal?")) << lost.err;
  EXPECT_FALSE(has(lost.err, "\x1b"));
  ScriptedServer moved(
      answer(response_of("308 Permanent Redirect", "", "Location: https://memory.example/\r\n")));
  const auto redirected = run_program({"query", "x", "--url", moved.url(), "--token", "t"});
  EXPECT_EQ(redirected.code, exit_failed);
  EXPECT_TRUE(has(redirected.err, "the service is at https://memory.example/")) << redirected.err;
  ScriptedServer other(answer("SSH-2.0-OpenSSH_9.2\r\n"));
  const auto strange = run_program({"query", "x", "--url", other.url(), "--token", "t"});
  EXPECT_EQ(strange.code, exit_not_ready);
  EXPECT_TRUE(has(strange.err, "does not answer in HTTP")) << strange.err;
}

TEST_F(HttpCommands, SayThatNothingListens) {
  std::string url;
  {
    ScriptedServer gone(answer(""));
    url = gone.url();
  }
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"query", "x", "--token", "t"}, {"rerank-metrics"}, {"health"}}) {
    auto words = command;
    words.insert(words.end(), {"--url", url});
    const auto outcome = run_program(words);
    EXPECT_EQ(outcome.code, exit_not_ready);
    EXPECT_TRUE(has(outcome.err, "Connection refused; is `memseal serve` running there?"))
        << outcome.err;
  }
}

TEST_F(HttpCommands, FindTheServiceByItsOwnSetting) {
  ScriptedServer server(answer(response_of("200 OK", "{}")));
  for (const std::string address : {"127.0.0.1:", "0.0.0.0:"}) {
    const auto outcome = run_program({"health", "--set", "http.listen=" + address + server.port()});
    EXPECT_EQ(outcome.code, exit_ok) << outcome.err;
  }
  const auto any_port = run_program({"health", "--set", "http.listen=127.0.0.1:0"});
  EXPECT_EQ(any_port.code, exit_usage);
  EXPECT_TRUE(has(any_port.err, "http.listen has no fixed port; give --url")) << any_port.err;
}

TEST_F(HttpCommands, CountResultsAsPeopleDo) {
  for (const auto& [count, says] : {std::pair(0, "0 results, in search order"),
                                    {1, "1 result, in search order"},
                                    {2, "2 results, in search order"}}) {
    ScriptedServer server(answer(stream_of(completed(count))));
    const auto outcome = run_program({"query", "x", "--url", server.url(), "--token", "t"});
    EXPECT_EQ(outcome.code, exit_ok);
    EXPECT_EQ(outcome.out, std::string(says) + "; total 1.5 ms\n");
  }
}

TEST_F(HttpCommands, JoinTheWordsOfAQuestion) {
  ScriptedServer server(answer(stream_of(completed(1))));
  const auto outcome = run_program(
      {"query", "who", "is", "--url", server.url(), "version", "--token", "t", "it"});
  EXPECT_EQ(outcome.code, exit_ok) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto requests = seen();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_TRUE(has(requests[0], R"("query":"who is version it")")) << requests[0];
}

TEST_F(HttpCommands, AskForEveryMemberOfAQuery) {
  ScriptedServer server(answer(stream_of(completed(1))));
  std::vector<std::string> words{"query", "a", "b", "--url", server.url(), "--token", "t"};
  for (const char* word :
       {"-k", "5", "--candidates", "30", "--no-rerank", "--no-hybrid", "--trace", "--also", "c d",
        "--also", "e", "--cursor", "c1", "--source", "api", "--tag", "t1", "--any-tag", "t2",
        "--any-tag", "t3", "--without-tag", "t4", "--document", "d1", "--exclude", "d2",
        "--created-after", "2026-01-01T00:00:00Z", "--created-before", "2026-02-01T00:00:00Z",
        "--min-score", "-0.5", "--expand", "2", "--where", R"({"pages":{"gt":1}})"})
    words.emplace_back(word);
  const auto outcome = run_program(words);
  EXPECT_EQ(outcome.code, exit_ok) << outcome.err;
  const auto request = seen().at(0);
  const auto body = boost::json::parse(request.substr(request.find("\r\n\r\n") + 4));
  EXPECT_EQ(body, boost::json::parse(
      R"({"queries":["a b","c d","e"],"top_k":5,"candidates":30,"rerank":false,"hybrid":false,)"
      R"("include_trace":true,"cursor":"c1","source":"api",)"
      R"("tags":{"all":["t1"],"any":["t2","t3"],"none":["t4"]},"documents":["d1"],)"
      R"("exclude":["d2"],"created_after":"2026-01-01T00:00:00Z",)"
      R"("created_before":"2026-02-01T00:00:00Z","min_score":-5E-1,"expand":2,)"
      R"("attributes":{"pages":{"gt":1}}})"));
  for (const char* where : {"", "5", "{}", "{"})
    EXPECT_EQ(run_program({"query", "x", "--url", server.url(), "--where", where}).code,
              *where == 0 ? exit_ok : exit_usage)
        << where;
}

TEST_F(HttpCommands, SayWhyNothingWasFound) {
  ScriptedServer server(answer(stream_of(completed(0))));
  const std::vector<std::string> words{"query", "x", "--url", server.url(), "--token", "t"};
  auto filtered = words, quiet = words;
  filtered.insert(filtered.end(), {"--tag", "work"});
  quiet.emplace_back("-q");
  EXPECT_TRUE(has(run_program(words).err, "the memory of this user is empty"));
  EXPECT_TRUE(has(run_program(filtered).err, "nothing matches the filters"));
  EXPECT_EQ(run_program(quiet).err, "");
}

TEST_F(HttpCommands, FailInOneJsonObject) {
  ScriptedServer limit(answer(response_of("429 Too Many Requests",
                                          R"({"code":"rate_limited","detail":"used up"})",
                                          "Retry-After: 12\r\n")));
  const auto busy =
      run_program({"--json", "query", "x", "--url", limit.url(), "--token", "t"});
  EXPECT_EQ(busy.code, exit_failed);
  EXPECT_EQ(busy.out,
            R"({"error":{"code":"rate_limited","message":"HTTP 429: used up","status":429,)"
            R"("retry_after_s":12,"exit_code":1,"hints":["try again in 12 s"]}})"
            "\n");
  ScriptedServer strict(answer(response_of(
      "422 Unprocessable Content",
      R"({"code":"invalid_field","detail":"must have 1 to 9 bytes","field":"/query"})")));
  const auto wrong =
      run_program({"--json", "query", "x", "--url", strict.url(), "--token", "t"});
  EXPECT_TRUE(has(wrong.out, R"("message":"HTTP 422: /query: must have 1 to 9 bytes")"))
      << wrong.out;
  EXPECT_TRUE(has(wrong.out, R"("field":"/query")")) << wrong.out;
  ScriptedServer down(answer(response_of("503 Service Unavailable", R"({"kafka":"no broker"})")));
  const auto health = run_program({"--json", "health", "--url", down.url()});
  EXPECT_EQ(health.code, exit_not_ready);
  EXPECT_EQ(health.out, R"({"kafka":"no broker","error":{"code":"unavailable",)"
                        R"("message":"the service is not ready","exit_code":3}})"
                        "\n");
  ScriptedServer page(answer(response_of("200 OK", "<html>")));
  const auto strange =
      run_program({"--json", "rerank-metrics", "--url", page.url(), "--token", "t"});
  EXPECT_EQ(strange.code, exit_failed);
  EXPECT_TRUE(has(strange.out, R"({"error":{"code":"bad_json")")) << strange.out;
  const auto gone = run_program({"--json", "query", "x", "--url", "http://127.0.0.1:1"});
  EXPECT_EQ(gone.code, exit_not_ready);
  EXPECT_TRUE(has(gone.out, R"({"error":{"code":"unavailable")")) << gone.out;
}

// U+009B begins a terminal command, U+202E turns the direction of what follows.
TEST_F(HttpCommands, ShowNothingThatCommandsTheTerminal) {
  const std::string hostile = "a\\u001b[31mb\u009b31mc\u202ed\u2066e\u200ff\u061cg\\u0007";
  ScriptedServer server(answer(stream_of(
      "event: query.result\ndata: {\"rank\":1,\"score\":0.5,\"doc_id\":\"" + hostile +
      "\",\"text\":\"" + hostile + "\"}\n\nevent: query.stage\ndata: {\"stage\":\"" + hostile +
      "\"}\n\nevent: query.failed\ndata: {\"detail\":\"" + hostile + "\"}\n\n")));
  const auto text = run_program({"query", "x", "--trace", "--url", server.url(), "--token", "t"});
  const auto json = run_program({"--json", "query", "x", "--url", server.url(), "--token", "t"});
  EXPECT_EQ(text.code, exit_failed);
  for (const auto& shown : {text.out, text.err, json.out, json.err})
    for (const std::string bad : {"\x1b", "\u009b", "\u202e", "\u2066", "\u200f", "\u061c", "\a"})
      EXPECT_FALSE(has(shown, bad)) << shown;
  EXPECT_TRUE(has(text.out, "a [31mb 31mcdefg\n")) << text.out;
  EXPECT_TRUE(has(json.out, "b\\u009b31mc\\u202ed")) << json.out;
}

TEST_F(HttpCommands, ShowWhatArrivedBeforeTheStreamWasCut) {
  const std::string event =
      "event: query.result\ndata: {\"rank\":1,\"score\":0.5,\"doc_id\":\"d\",\"text\":\"tea\"}\n\n";
  char size[16];
  std::snprintf(size, sizeof size, "%zx", event.size());
  const auto begun =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (size + ("\r\n" + event)) + "\r\n";
  for (const bool whole : {false, true}) {
    ScriptedServer server([&](Peer& peer) {
      peer.read_request();
      peer.send(whole ? begun + "0\r\n\r\n" : begun);
    });
    const auto outcome = run_program({"query", "x", "--url", server.url(), "--token", "t"});
    EXPECT_EQ(outcome.code, whole ? exit_failed : exit_not_ready);
    EXPECT_TRUE(has(outcome.out, "tea")) << outcome.out;
    EXPECT_TRUE(has(outcome.err, "ask again")) << outcome.err;
  }
}

TEST_F(HttpCommands, ShowRerankMetricsAsLinesOrAsJson) {
  ScriptedServer server(answer(response_of("200 OK", R"({"calls":3,"latency_ms":{"p50":1.5}})")));
  const auto lines = run_program({"rerank-metrics", "--url", server.url() + "/", "--token", "t"});
  EXPECT_EQ(lines.code, exit_ok) << lines.err;
  EXPECT_TRUE(has(lines.out, "calls                        3\n")) << lines.out;
  EXPECT_TRUE(has(lines.out, "latency_ms.p50               1.500\n")) << lines.out;
  const auto json =
      run_program({"--json", "rerank-metrics", "--url", server.url(), "--token", "t"});
  EXPECT_EQ(json.out, "{\"calls\":3,\"latency_ms\":{\"p50\":1.5}}\n");
  EXPECT_TRUE(seen()[0].starts_with("GET /api/v1/rerank/metrics HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace memseal::app

// Every answer of the routes, good and bad, over a real connection.
#include "cases/index/submit.hpp"
#include "unit/http/fixture.hpp"

#include <boost/json/parse.hpp>

#include <atomic>

namespace memseal::test {
namespace {

namespace json = boost::json;

class ApiTest : public ServerTest {
 protected:
  void expect_problem(const Answer& answer, int status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.field("content-type"), "application/problem+json");
    boost::system::error_code malformed;
    const auto body = json::parse(answer.body, malformed);
    ASSERT_FALSE(malformed) << answer.body;
    EXPECT_EQ(body.at("code").as_string(), code);
    EXPECT_EQ(body.at("status"), status);
    EXPECT_EQ(body.at("request_id").as_string(), answer.field("x-request-id"));
  }
};

TEST_F(ApiTest, AnswersAQueryInJson) {
  world.fill("ada", 10);
  start();
  const auto answer = ask(post(query_path, R"({"query":"where?","top_k":2})"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.field("content-type"), "application/json");
  EXPECT_NE(answer.field("server-timing").find("rerank;dur="), std::string::npos);
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("count"), 2);
  EXPECT_EQ(body.at("reranked"), true);
  EXPECT_EQ(body.at("reranked_count"), 10);
  EXPECT_EQ(body.at("candidates"), 10);
  EXPECT_TRUE(body.at("fallback_reason").is_null());
  EXPECT_EQ(body.at("query_id").as_string().size(), 36u);
  EXPECT_TRUE(body.at("timings").as_object().contains("total_ms"));
  const auto& first = body.at("results").at(0);
  EXPECT_EQ(first.at("rank"), 1);
  EXPECT_EQ(first.at("text"), "passage 9");
  EXPECT_EQ(first.at("rerank_score").to_number<double>(), 9.0);
  EXPECT_EQ(first.at("doc_id"), "doc");
  EXPECT_EQ(first.at("created_at"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(first.at("meta").at("page"), 9);
  EXPECT_EQ(first.at("tags").as_array().size(), 2u);
}

TEST_F(ApiTest, ShowsWhatEachComparisonSays) {
  world.fill("ada", 2);
  world.query.compares_words = true;
  const auto& rows = world.search.rows[world.tenant("ada")];
  world.search.word_scores[rows.at(1).id] = 2.5f;
  start();
  const auto whole = json::parse(ask(post(query_path, R"({"query":"planets"})")).body);
  EXPECT_EQ(whole.at("hybrid"), true);
  const auto& scores = whole.at("results").at(0).at("scores");
  EXPECT_EQ(scores.at("lexical").to_number<double>(), 2.5);
  EXPECT_EQ(scores.at("rerank"), whole.at("results").at(0).at("rerank_score"));
  EXPECT_NEAR(scores.at("dense").to_number<double>(), 1 - rows.at(1).distance, 1e-5);
  const auto dense = json::parse(
      ask(post(query_path, R"({"query":"planets","hybrid":false,"rerank":false})")).body);
  EXPECT_EQ(dense.at("hybrid"), false);
  EXPECT_TRUE(dense.at("results").at(0).at("scores").at("lexical").is_null());
  EXPECT_TRUE(dense.at("results").at(0).at("scores").at("rerank").is_null());
}

TEST_F(ApiTest, SaysWhyAnAnswerIsInSearchOrder) {
  world.fill("ada", 3);
  world.reranking.reranker = nullptr;
  start();
  const auto body = json::parse(ask(post(query_path, question)).body);
  EXPECT_EQ(body.at("reranked"), false);
  EXPECT_EQ(body.at("reranked_count"), 0);
  EXPECT_EQ(body.at("fallback_reason"), "no_model");
  EXPECT_EQ(body.at("results").at(0).at("text"), "passage 0");
  EXPECT_TRUE(body.at("results").at(0).at("rerank_score").is_null());
}

TEST_F(ApiTest, ShowsAUserOnlyWhatIsTheirs) {
  world.fill("ada", 3);
  start();
  const auto body = json::parse(ask(post(query_path, question, {}, "bob")).body);
  EXPECT_EQ(body.at("count"), 0);
}

TEST_F(ApiTest, RefusesEveryBadTokenAlike) {
  start();
  const std::string end = "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n" + question;
  const std::string line =
      "POST " + query_path + " HTTP/1.1\r\nHost: memseal\r\nX-Request-ID: r\r\n";
  auto forged = token("ada");
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  const std::string cases[] = {
      "",
      "Authorization: Bearer \r\n",
      "Authorization: Bearer nonsense\r\n",
      "Authorization: Basic YTpi\r\n",
      "Authorization: " + token("ada") + "\r\n",
      "Authorization: Bearer " + forged + "\r\n",
      "Authorization: Bearer " + token("ada", -3'600) + "\r\n",
      "Authorization: Bearer " + token("ada") + "\r\nAuthorization: Bearer " + token("ada") +
          "\r\n",
      "Authorization: Bearer " + std::string(5'000, 'a') + "\r\n",
  };
  std::string first;
  for (const auto& field : cases) {
    const auto answer = ask(line + field + end);
    expect_problem(answer, 401, "unauthenticated");
    EXPECT_EQ(answer.field("www-authenticate"), "Bearer error=\"invalid_token\"");
    EXPECT_FALSE(answer.has("x-ratelimit-limit"));
    if (first.empty()) first = answer.body;
    EXPECT_EQ(answer.body, first) << field;
  }
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 0);
}

TEST_F(ApiTest, ATokenExpiresByTheClockOfTheService) {
  std::atomic<std::int64_t> ahead_ms{0};
  api.now_ms = [&ahead_ms] { return runtime::unix_ms() + ahead_ms; };
  start();
  const auto request = post(query_path, question);  // with a token of an hour
  EXPECT_EQ(ask(request).status, 200);
  ahead_ms = 2 * 3'600'000;
  expect_problem(ask(request), 401, "unauthenticated");
  stop();  // before the clock goes
}

TEST_F(ApiTest, TakesTheSchemeInAnyCase) {
  start();
  auto request = post(query_path, question);
  request.replace(request.find("Bearer"), 6, "bEARER");
  EXPECT_EQ(ask(request).status, 200);
}

TEST_F(ApiTest, RefusesBadBodies) {
  start();
  expect_problem(ask(post(query_path, "not json")), 400, "bad_json");
  expect_problem(ask(post(query_path, "")), 400, "bad_json");
  expect_problem(ask(post(query_path, "[]")), 400, "bad_json");
  expect_problem(ask(post(query_path, "{}")), 422, "invalid_field");
  expect_problem(ask(post(query_path, R"({"query":"a","top_k":101})")), 422, "invalid_field");
  expect_problem(ask(post(query_path, R"({"query":"a","nonsense":1})")), 422, "invalid_field");
  expect_problem(ask(post(index_path, R"({"text":""})")), 422, "invalid_field");
  expect_problem(ask(post(query_path, "{\"query\":\"\xff\"}")), 400, "bad_json");
}

TEST_F(ApiTest, RefusesAnotherUsersIdInTheBody) {
  start();
  expect_problem(ask(post(query_path, R"({"query":"a","user_id":"bob"})")), 403, "user_mismatch");
  expect_problem(ask(post(index_path, R"({"text":"a","user_id":"bob"})")), 403, "user_mismatch");
  EXPECT_EQ(ask(post(query_path, R"({"query":"a","user_id":"ada"})")).status, 200);
  EXPECT_TRUE(on_loop([&] { return sink.records.empty(); }));
}

TEST_F(ApiTest, RefusesOtherMediaTypes) {
  start();
  const auto with = [&](const std::string& fields) {
    return ask(head("POST " + query_path, "ada", fields) + "Content-Length: 24\r\n\r\n" + question);
  };
  expect_problem(with(""), 415, "unsupported_media_type");
  expect_problem(with("Content-Type: text/plain\r\n"), 415, "unsupported_media_type");
  expect_problem(with("Content-Type: application/json; charset=latin1\r\n"), 415,
                 "unsupported_media_type");
  expect_problem(with("Content-Type: application/json\r\nContent-Encoding: gzip\r\n"), 415,
                 "unsupported_media_type");
  EXPECT_EQ(with("Content-Type: application/json\r\nContent-Encoding: identity\r\n").status, 200);
  expect_problem(ask(post(query_path, question, "Accept: text/html\r\n")), 406, "not_acceptable");
}

TEST_F(ApiTest, RefusesABodyOverTheLimit) {
  options.body_bytes_max = 1'000;
  start();
  const std::string large(1'001, ' ');
  auto answer = ask(post(query_path, large));
  expect_problem(answer, 413, "payload_too_large");
  EXPECT_EQ(answer.field("connection"), "close");
  answer = ask(head("POST " + query_path) + "Content-Type: application/json\r\n"
               "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + large + "\r\n0\r\n\r\n");
  expect_problem(answer, 413, "payload_too_large");
}

ports::Admission used_up() {
  return {.allowed = false,
          .window_s = 3'600,
          .requests = {.limit = 100, .remaining = 0, .reset_s = 3'600, .retry_after_s = 36},
          .tokens = {.limit = 5'000, .remaining = 4'000, .reset_s = 720, .retry_after_s = 0}};
}

TEST_F(ApiTest, StopsAUserWhoseBucketIsEmpty) {
  limiter.admission = used_up();
  start();
  const auto answer = ask(post(query_path, question));
  expect_problem(answer, 429, "rate_limited");
  EXPECT_EQ(answer.field("retry-after"), "36");
  EXPECT_EQ(answer.field("x-ratelimit-remaining"), "0");
  EXPECT_EQ(answer.field("ratelimit"),
            "\"query-requests\";r=0;t=36, \"query-tokens\";r=4000;t=720");
  EXPECT_NE(answer.body.find("quota-exceeded"), std::string::npos);
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("bucket"), "query");
  EXPECT_EQ(body.at("limit"), "requests");
  EXPECT_EQ(body.at("retry_after_s"), 36);
  EXPECT_EQ(body.at("violated-policies"), (json::array{"query-requests"}));
  EXPECT_EQ(body.at("detail"),
            "the query limit of this user, 100 requests in 3600 s, is used up: try again in 36 s");
  EXPECT_EQ(on_loop([&] { return world.embedder.faults.calls; }), 0);
}

TEST_F(ApiTest, NamesTheLimitInTokensThatIsUsedUp) {
  limiter.admission = used_up();
  limiter.admission.requests = {.limit = 100, .remaining = 98, .reset_s = 72, .retry_after_s = 0};
  limiter.admission.tokens.retry_after_s = 7;
  start();
  const auto answer = ask(post(index_path, R"({"text":"a"})"));
  expect_problem(answer, 429, "rate_limited");
  EXPECT_EQ(answer.field("retry-after"), "7");
  EXPECT_EQ(answer.field("x-ratelimit-limit"), "5000");
  EXPECT_EQ(answer.field("ratelimit"),
            "\"write-requests\";r=98;t=72, \"write-tokens\";r=4000;t=7");
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("limit"), "tokens");
  EXPECT_EQ(body.at("violated-policies"), (json::array{"write-tokens"}));
  EXPECT_TRUE(on_loop([&] { return sink.records.empty(); }));
  EXPECT_NE(world.metrics.render().find(
                R"(memseal_ratelimit_denied_total{bucket="write",limit="tokens"} 1)"),
            std::string::npos);
}

TEST_F(ApiTest, RefusesAnEmptyBucketBeforeTheBodyArrives) {
  limiter.refusal = used_up();
  start();
  auto client = connect();
  client.say(head("POST " + query_path) +
             "Content-Type: application/json\r\nContent-Length: 24\r\n\r\n");
  expect_problem(client.answer(), 429, "rate_limited");
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 0);
  EXPECT_EQ(ask(get("/api/v1/operations/none")).status, 404) << "polling is free";
}

TEST_F(ApiTest, TakesFromTheBucketOfWhatIsAsked) {
  start();
  const auto taken = [&](const std::string& request) {
    ask(request);
    return on_loop([&] {
      const auto last = limiter.last.value();
      return std::pair{last.bucket, last.tokens};
    });
  };
  using ports::Bucket;
  EXPECT_EQ(taken(post(query_path, question)), (std::pair{Bucket::query, std::int64_t{5}}));
  EXPECT_EQ(taken(post(query_path, R"({"queries":["nine byte","four"]})")),
            (std::pair{Bucket::query, std::int64_t{2 + 1}}));
  EXPECT_EQ(taken(post(index_path, R"({"text":"nine byte"})")),
            (std::pair{Bucket::write, std::int64_t{2}}));
  EXPECT_EQ(taken(post("/api/v1/memory/conversations/c1/turns",
                       R"({"turns":[{"role":"user","content":"nine byte"},)"
                       R"({"role":"assistant","content":"four"}]})")),
            (std::pair{Bucket::write, std::int64_t{2 + 1}}));
  EXPECT_EQ(taken(get("/v1/models")), (std::pair{Bucket::metrics, std::int64_t{0}}));
  // What the model reads, [CLS] and [SEP] included: no more than 256 of a text, and each mark.
  EXPECT_EQ(taken(post("/v1/embeddings", R"({"input":["four","fifth"]})")),
            (std::pair{Bucket::inference, std::int64_t{3 + 3}}));
  for (const auto* text : {"mars ", "! "}) {
    std::string many;
    for (int i = 0; i < 1'000; ++i) many += text;
    EXPECT_EQ(taken(post("/v1/embeddings", R"({"input":")" + many + "\"}")),
              (std::pair{Bucket::inference, std::int64_t{256}}));
  }
  EXPECT_EQ(taken(post("/rerank", R"({"query":"four","texts":["four","fifth"]})")),
            (std::pair{Bucket::inference, std::int64_t{2 + 3}}));
}

TEST_F(ApiTest, ABatchThatComesTooLateTakesNothing) {
  world.inference.pace.record(10'000, std::chrono::seconds(1'000), runtime::Clock::now());
  start();
  std::string many;
  for (int i = 0; i < 400; ++i) many += R"("mars",)";
  const auto embed = ask(post("/v1/embeddings", R"({"input":[)" + many + R"("mars"]})"));
  EXPECT_EQ(embed.status, 413);
  EXPECT_NE(embed.body.find(R"("field":"/input")"), std::string::npos);
  const auto tei = ask(post("/embed", R"({"inputs":[)" + many + R"("mars"]})"));
  EXPECT_EQ(tei.status, 413);
  EXPECT_NE(tei.body.find(R"("field":"/inputs")"), std::string::npos);
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 0);
}

TEST_F(ApiTest, ARequestThatIsNotValidTakesNothing) {
  start();
  for (const auto& request :
       {post(query_path, "not json"), post(query_path, R"({"query":"a","top_k":9999})"),
        post(query_path, R"({"query":"a","user_id":"bob"})"),
        post(query_path, question, "Accept: text/html\r\n"), post(index_path, R"({"text":""})"),
        post(index_path, R"({"text":"a"})", "Idempotency-Key: \x01\r\n"),
        post("/v1/embeddings", R"({"input":5})"),
        post("/v1/embeddings", R"({"input":"a","model":"other"})"),
        post("/rerank", R"({"query":"q","texts":[]})"), get("/api/v1/operations/none"),
        get("/api/v1/nothing"), get(query_path)}) {
    const auto answer = ask(request);
    EXPECT_GE(answer.status, 400) << request;
    EXPECT_FALSE(answer.has("x-ratelimit-limit"));
  }
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 0);
}

TEST_F(ApiTest, EveryRouteBehindATokenTakesFromABucketOrIsKnownToBeFree) {
  const std::vector<std::string_view> free{"/api/v1/operations/{id}"};
  for (const auto& route : http::product_routes()) {
    if (route.scope != http::Scope::api) continue;
    const bool is_free = std::ranges::find(free, route.pattern) != free.end();
    EXPECT_NE(route.bucket.has_value(), is_free) << route.pattern;
  }
}

TEST_F(ApiTest, ShowsTheBucketOnEveryAnswerThatTookFromIt) {
  limiter.admission.tokens = {.limit = 5'000, .remaining = 4'997, .reset_s = 3, .retry_after_s = 0};
  start();
  for (const auto& request : {post(query_path, question),
                              post(query_path, question, "Accept: text/event-stream\r\n")}) {
    const auto answer = ask(request);
    EXPECT_EQ(answer.field("x-ratelimit-limit"), "100");
    EXPECT_EQ(answer.field("x-ratelimit-remaining"), "99");
    EXPECT_EQ(answer.field("x-ratelimit-reset"), "36");
    EXPECT_EQ(answer.field("ratelimit-policy"),
              "\"query-requests\";q=100;w=3600, \"query-tokens\";q=5000;w=3600;qu=\"tokens\"");
    EXPECT_EQ(answer.field("ratelimit"),
              "\"query-requests\";r=99;t=36, \"query-tokens\";r=4997;t=3");
    EXPECT_FALSE(answer.has("retry-after"));
  }
  EXPECT_FALSE(ask(get("/health")).has("x-ratelimit-limit"));
}

TEST_F(ApiTest, TellsOutagesApartWithoutInternals) {
  start();
  on_loop([&] { return world.embedder.faults.error = Error{Errc::timeout, "embed queue"}; });
  expect_problem(ask(post(query_path, question)), 504, "timeout");
  on_loop([&] { return world.embedder.faults.error = Error{Errc::unavailable, "db 10.0.0.1"}; });
  auto answer = ask(post(query_path, question));
  expect_problem(answer, 503, "unavailable");
  EXPECT_EQ(answer.field("retry-after"), "1");
  EXPECT_EQ(answer.body.find("10.0.0.1"), std::string::npos);
  on_loop([&] {
    world.embedder.faults.error.reset();
    return world.embedder.faults.throws_unexpected = true;
  });
  answer = ask(post(query_path, question));
  expect_problem(answer, 500, "internal");
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

TEST_F(ApiTest, EchoesAProperRequestIdAndMakesOneOtherwise) {
  start();
  EXPECT_EQ(ask(head("GET /health", "ada", "X-Request-ID: my.id-1\r\n") + "\r\n")
                .field("x-request-id"), "my.id-1");
  const auto made = ask(head("GET /health", "ada", "X-Request-ID: no good\r\n") + "\r\n")
                        .field("x-request-id");
  EXPECT_NE(made, "no good");
  EXPECT_FALSE(made.empty());
  EXPECT_NE(ask(get("/health")).field("x-request-id"), made);
  EXPECT_FALSE(ask("nonsense\r\n\r\n").field("x-request-id").empty());
}

TEST_F(ApiTest, KnowsItsPathsAndMethods) {
  start();
  expect_problem(ask(get("/nope")), 404, "not_found");
  expect_problem(ask(get("/api/v1/nope")), 404, "not_found");
  expect_problem(ask(get("/health/")), 404, "not_found");
  expect_problem(ask(get("/api/v1/operations/a/b")), 404, "not_found");
  auto answer = ask(get(query_path));
  expect_problem(answer, 405, "method_not_allowed");
  EXPECT_EQ(answer.field("allow"), "POST, OPTIONS");
  answer = ask(post("/health", "{}"));
  expect_problem(answer, 405, "method_not_allowed");
  EXPECT_EQ(answer.field("allow"), "GET, HEAD, OPTIONS");
  answer = ask(head("OPTIONS " + index_path) + "\r\n");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.field("allow"), "POST, OPTIONS");
  auto client = connect();
  client.say(head("HEAD /health") + "\r\n" + get("/health"));
  EXPECT_EQ(client.answer(true).field("content-length"), "15");
  EXPECT_EQ(client.answer().body, R"({"status":"ok"})");
}

TEST_F(ApiTest, IndexesByAnnouncingAndPublishing) {
  start();
  const auto answer =
      ask(post(index_path, R"({"text":"remember me","doc_id":"note","tags":["t"]})"));
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto operation = json::parse(answer.body).at("operation");
  EXPECT_EQ(operation.at("state"), "queued");
  EXPECT_EQ(operation.at("doc_id"), "note");
  const std::string id(operation.at("id").as_string());
  EXPECT_EQ(answer.field("location"), "/api/v1/operations/" + id);
  const auto record = on_loop([&] { return sink.records.at(0); });
  EXPECT_EQ(record.channel, ports::Channel::upload);
  EXPECT_EQ(record.key, "ada");
  const auto event = json::parse(record.value);
  EXPECT_EQ(event.at("subject"), "ada");
  EXPECT_EQ(event.at("data").at("content").at("data"), "remember me");
  // Whoever reads the event arrives at the same operation.
  const auto derived = world.ids.event_id(world.tenant("ada"), index::event_source,
                                          std::string(event.at("id").as_string()));
  EXPECT_EQ(derived.to_string(), id);

  const auto seen = ask(get("/api/v1/operations/" + id));
  EXPECT_EQ(seen.status, 200);
  EXPECT_EQ(json::parse(seen.body).at("operation").at("id").as_string(), id);
}

TEST_F(ApiTest, RemembersTurnsByAnnouncingAndPublishingThem) {
  start();
  const std::string path = "/api/v1/memory/conversations/caf%C3%A9/turns";
  const std::string turns = R"({"turns":[{"role":"user","content":"Who?","id":"m1"},)"
                            R"({"role":"assistant","content":null,"tool_calls":[]},)"
                            R"({"role":"assistant","content":"Dr. Novak."}]})";
  const auto answer = ask(post(path, turns));
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto body = json::parse(answer.body);
  const auto& operation = body.at("operation");
  EXPECT_EQ(operation.at("kind"), "chat");
  EXPECT_EQ(operation.at("doc_id"), "caf\u00e9");
  EXPECT_EQ(answer.field("location"),
            "/api/v1/operations/" + std::string(operation.at("id").as_string()));
  EXPECT_EQ(body.at("turn_ids").at(0), "m1");
  EXPECT_TRUE(body.at("turn_ids").at(1).is_null());
  EXPECT_EQ(body.at("turn_ids").at(2).as_string().size(), 36u);
  const auto record = on_loop([&] { return sink.records.at(0); });
  EXPECT_EQ(record.channel, ports::Channel::chat);
  const auto event = json::parse(record.value);
  EXPECT_EQ(event.at("subject"), "ada");
  EXPECT_EQ(event.at("data").at("conversation_id"), "caf\u00e9");
  EXPECT_EQ(event.at("data").at("messages").at(2).at("content"), "Dr. Novak.");
  const auto derived = world.ids.event_id(world.tenant("ada"), index::event_source,
                                          std::string(event.at("id").as_string()));
  EXPECT_EQ(derived.to_string(), operation.at("id").as_string());
  EXPECT_EQ(json::parse(ask(post(path, turns)).body).at("turn_ids"), body.at("turn_ids"))
      << "the same turn has the same id";
  const auto one = ask(post(path, R"({"role":"assistant","content":"Dr. Novak."})"));
  EXPECT_NE(json::parse(one.body).at("turn_ids").at(0), body.at("turn_ids").at(2))
      << "a turn that is sent alone is a new one";
}

TEST_F(ApiTest, RefusesTurnsBeforeAnythingIsPublished) {
  start();
  const std::string path = "/api/v1/memory/conversations/c/turns";
  const std::string turn = R"({"role":"user","content":"a")";
  expect_problem(ask(post(path, "{}")), 422, "invalid_field");
  expect_problem(ask(post(path, turn + R"(,"user_id":"bob"})")), 403, "user_mismatch");
  expect_problem(ask(post(path, turn + "}", "Idempotency-Key: a b\r\n")), 400, "bad_request");
  expect_problem(ask(post(path + "?wait=x", turn + "}")), 400, "bad_request");
  // What stands around the content in the event is more than what stands around it in the body.
  const auto large = std::string(limits::event_bytes_max - 40, 'x');
  expect_problem(ask(post(path, R"({"role":"user","content":")" + large + R"("})")), 413,
                 "payload_too_large");
  const auto wide = R"(,"attributes":{"a":")" + std::string(9'000, 'x') + "\"}}";
  expect_problem(ask(post(path, turn + wide)), 413, "payload_too_large");
  EXPECT_EQ(on_loop([&] { return sink.records.size(); }), 0u);
  EXPECT_EQ(on_loop([&] { return operations.known.size(); }), 0u);
}

TEST_F(ApiTest, MakesARepeatedRequestOneEvent) {
  start();
  const auto request = post(index_path, R"({"text":"once"})", "Idempotency-Key: \"key-1\"\r\n");
  const auto first = ask(request);
  on_loop(
      [&] { return operations.known.begin()->second.state = ports::OperationState::succeeded; });
  const auto bare = post(index_path, R"({"text":"once"})", "Idempotency-Key: key-1\r\n");
  const auto second = ask(bare);
  EXPECT_EQ(second.field("location"), first.field("location"));
  EXPECT_EQ(json::parse(second.body).at("operation").at("state"), "succeeded");
  EXPECT_EQ(on_loop([&] { return sink.records.size(); }), 1u);
  EXPECT_NE(ask(post(index_path, R"({"text":"once"})", "Idempotency-Key: key-2\r\n"))
                .field("location"), first.field("location"));
  expect_problem(ask(post(index_path, R"({"text":"twice"})", "Idempotency-Key: key-1\r\n")), 422,
                 "invalid_field");
  // The same key of another user names another operation.
  EXPECT_NE(ask(post(index_path, R"({"text":"once"})", "Idempotency-Key: key-1\r\n", "bob"))
                .field("location"), first.field("location"));
  for (const auto& bad : {std::string("a b"), std::string(256, 'k'), std::string("\"\"")})
    expect_problem(ask(post(index_path, R"({"text":"a"})", "Idempotency-Key: " + bad + "\r\n")),
                   400, "bad_request");
}

TEST_F(ApiTest, NamesADocumentByItsContentWhereTheClientDoesNot) {
  start();
  const auto doc = [&](const std::string& body, const std::string& user) {
    const auto answer = ask(post(index_path, body, {}, user));
    return std::string(json::parse(answer.body).at("operation").at("doc_id").as_string());
  };
  const auto first = doc(R"({"text":"a"})", "ada");
  EXPECT_TRUE(first.starts_with("api-"));
  EXPECT_EQ(doc(R"({"text":"a"})", "ada"), first);
  EXPECT_NE(doc(R"({"text":"b"})", "ada"), first);
  EXPECT_NE(doc(R"({"text":"a"})", "bob"), first);
}

TEST_F(ApiTest, TellsNobodyOfAnotherUsersOperation) {
  start();
  const auto location = ask(post(index_path, R"({"text":"mine"})")).field("location");
  const auto as = [&](const std::string& path, const std::string& user) {
    return ask(head("GET " + path, user, "X-Request-ID: same\r\n") + "\r\n");
  };
  EXPECT_EQ(as(location, "ada").status, 200);
  const auto foreign = as(location, "bob");
  expect_problem(foreign, 404, "not_found");
  EXPECT_EQ(as("/api/v1/operations/00000000-0000-0000-0000-000000000000", "bob").body,
            foreign.body);
  EXPECT_EQ(as("/api/v1/operations/not-a-uuid", "bob").body, foreign.body);
}

TEST_F(ApiTest, RefusesToWriteForAnErasedTenantOrWithoutABroker) {
  start();
  on_loop([&] { return operations.erased = true; });
  expect_problem(ask(post(index_path, R"({"text":"a"})")), 410, "tenant_erased");
  on_loop([&] {
    operations.erased = false;
    sink.faults.error = Error{Errc::unavailable, "broker"};
    return true;
  });
  expect_problem(ask(post(index_path, R"({"text":"a"})")), 503, "unavailable");
  on_loop([&] { return sink.is_reachable = false; });
  const auto refused = ask(post(index_path, R"({"text":"a"})"));
  expect_problem(refused, 503, "unavailable");
  EXPECT_EQ(json::parse(refused.body).at("detail").as_string(),
            "Kafka cannot be reached, so nothing was accepted; try again later");
}

TEST_F(ApiTest, RefusesADocumentThatFillsMoreThanOneEvent) {
  start();
  const std::string text(1'048'000, 'x'), name(200, 'n');
  const auto body = R"({"text":")" + text + R"(","name":")" + name + "\"}";
  ASSERT_LT(body.size(), limits::http_body_bytes_max);
  expect_problem(ask(post(index_path, body)), 413, "payload_too_large");
  EXPECT_TRUE(on_loop([&] { return operations.known.empty(); }));
}

TEST_F(ApiTest, IsReadyWhenEveryRequiredCheckIs) {
  std::atomic<bool> database = false;
  readiness = [&] {
    return std::vector<http::Check>{{"postgres", database, true, "schema 3"},
                                    {"redis", false, false, "local buckets"}};
  };
  start();
  auto answer = ask(get("/ready"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(json::parse(answer.body).at("status"), "not_ready");
  database = true;
  answer = ask(get("/ready"));
  EXPECT_EQ(answer.status, 200);
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("status"), "ready");
  EXPECT_EQ(body.at("checks").at(1).at("name"), "redis");
  EXPECT_EQ(body.at("checks").at(1).at("ok"), false);
}

TEST_F(ApiTest, TellsItsMetricsAndVersion) {
  readiness = [] {
    return std::vector<http::Check>{{"database", true, true, ""}, {"redis", false, false, ""}};
  };
  world.fill("ada", 2);
  start();
  ask(post(query_path, "not json"));
  ask(get("/nope"));
  auto answer = ask(get("/metrics"));
  EXPECT_EQ(answer.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(answer.body.find("memseal_http_requests_total{code=\"400\",method=\"POST\",route=\"" +
                             query_path + "\"} 1"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("route=\"unknown\""), std::string::npos);
  for (const std::string& line :
       {"memseal_http_request_duration_seconds_count{class=\"4xx\",route=\"" + query_path + "\"} 1",
        std::string("memseal_http_request_duration_seconds_bucket{class=\"4xx\",route=\"unknown\","
                    "le=\"0.8\"} 1"),
        std::string("process_resident_memory_bytes "), std::string("memseal_ready 1\n"),
        std::string("memseal_ready_check{check=\"redis\",required=\"no\"} 0\n")})
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << "\n" << answer.body;
  ask(post(query_path, question));
  const auto page = ask(get("/metrics/memory"));
  EXPECT_EQ(page.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"\nmemory_aad_mismatch_total 0\n", "\nmemory_query_response_time_ms_count 1\n",
        "\nmemory_query_response_time_ms_bucket{le=\"1500\"} 1\n",
        "\nmemseal_query_duration_seconds_count 1\n", "\nmemseal_ready 1\n"})
    EXPECT_NE(page.body.find(line), std::string::npos) << line << "\n" << page.body;
  for (const char* other : {"memseal_http_", "process_"})
    EXPECT_EQ(page.body.find(other), std::string::npos) << other;
  EXPECT_EQ(json::parse(ask(get("/version")).body).at("name"), "memseal");
}

TEST_F(ApiTest, SwitchesRerankingWhileItRuns) {
  std::vector<bool> switched;
  switch_rerank = [&](bool on) { switched.push_back(on); };
  start();
  EXPECT_EQ(ask(order("/flags/rerank/off")).body, R"({"rerank":false})");
  EXPECT_EQ(ask(order("/flags/rerank/on")).body, R"({"rerank":true})");
  EXPECT_EQ(ask(get("/flags/rerank/on")).status, 405);
  stop();
  EXPECT_EQ(switched, (std::vector<bool>{false, true}));
  serve_admin = false;
  loop.restart();
  start();
  EXPECT_EQ(ask(order("/flags/rerank/off")).status, 404) << "only where operators are";
}

TEST_F(ApiTest, TakesAnOperatorsOrdersToTheGuard) {
  std::vector<std::pair<http::GuardOrder, std::string>> ordered;
  guard_state = [] { return std::string(R"({"mode":"act"})"); };
  order_guard = [&](http::GuardOrder order, std::string_view name) {
    ordered.emplace_back(order, name);
    return name != "anything";
  };
  start();
  EXPECT_EQ(ask(get("/guard")).body, R"({"mode":"act"})");
  EXPECT_EQ(ask(order("/guard/hold/unready")).body, R"({"mode":"act"})");
  EXPECT_EQ(ask(order("/guard/release/rerank_off")).status, 200);
  EXPECT_EQ(ask(order("/guard/mode/observe")).status, 200);
  EXPECT_EQ(ask(order("/guard/hold/anything")).status, 400);
  EXPECT_EQ(ask(get("/guard/hold/unready")).status, 405);
  stop();
  EXPECT_EQ(ordered, (std::vector<std::pair<http::GuardOrder, std::string>>{
                         {http::GuardOrder::hold, "unready"},
                         {http::GuardOrder::release, "rerank_off"},
                         {http::GuardOrder::mode, "observe"},
                         {http::GuardOrder::hold, "anything"}}));
  serve_admin = false;
  loop.restart();
  start();
  EXPECT_EQ(ask(order("/guard/hold/unready")).status, 404) << "only where operators are";
  EXPECT_EQ(ask(get("/guard")).status, 404);
}

TEST_F(ApiTest, ServesAStartPageWhereThereIsOne) {
  start_page = [] { return std::string("<!doctype html><title>here</title>"); };
  start();
  const auto answer = ask("GET / HTTP/1.1\r\nHost: memseal\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.field("content-type"), "text/html; charset=utf-8");
  EXPECT_TRUE(answer.field("content-security-policy").starts_with("default-src 'none'"));
  EXPECT_EQ(answer.body, "<!doctype html><title>here</title>");
  stop();
  start_page = {};
  loop.restart();
  start();
  EXPECT_EQ(ask(get("/")).status, 404);
}

TEST_F(ApiTest, HidesTheStartPageFromPagesOfOthers) {
  start_page = [] { return std::string("<!doctype html><title>here</title>"); };
  options.address = "0.0.0.0";
  start();
  for (const std::string field :
       {"Host: memseal.example.org", "Host: 127.0.0.1\r\nOrigin: http://example.org",
        "Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site"})
    EXPECT_EQ(ask("GET / HTTP/1.1\r\n" + field + "\r\n\r\n").status, 403) << field;
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: 127.0.0.1:7400\r\nSec-Fetch-Site: none\r\n\r\n").status,
            200);
}

TEST_F(ApiTest, ServesOnlyItsOwnSetOfRoutes) {
  serve_admin = false;
  start();
  EXPECT_EQ(ask(get("/metrics")).status, 404);
  EXPECT_EQ(ask(post(query_path, question)).status, 200);
  stop();
  serve_admin = true;
  serve_api = false;
  loop.restart();
  start();
  EXPECT_EQ(ask(get("/metrics")).status, 200);
  EXPECT_EQ(ask(post(query_path, question)).status, 404);
}

TEST_F(ApiTest, AnAdminRequestActsOnlyWhenItHasArrivedWhole) {
  std::atomic<int> switched = 0;
  switch_rerank = [&](bool) { ++switched; };
  options.body_timeout = 200ms;
  start();
  const auto off = [&](const std::string& rest) {
    return ask("POST /flags/rerank/off HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
               admin_token + "\r\n" + rest);
  };
  expect_problem(off("Transfer-Encoding: chunked\r\n\r\nZZ\r\n"), 400, "bad_request");
  expect_problem(off("Transfer-Encoding: chunked\r\n\r\n5\r\nhe"), 408, "bad_request");
  expect_problem(off("Content-Length: 10\r\n\r\nhello"), 408, "bad_request");
  expect_problem(off("Content-Length: 999999999\r\n\r\n"), 413, "payload_too_large");
  {
    auto client = connect();
    client.say("POST /flags/rerank/off HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
               admin_token + "\r\nContent-Length: 10\r\n\r\n");
  }
  EXPECT_EQ(switched, 0);
  EXPECT_EQ(off("Content-Length: 2\r\n\r\n{}").status, 200);
  EXPECT_EQ(switched, 1);
}

TEST_F(ApiTest, AnOrderShowsTheTokenOfTheOperator) {
  std::atomic<int> switched = 0;
  switch_rerank = [&](bool) { ++switched; };
  start();
  const auto off = [&](const std::string& fields) {
    return ask("POST /flags/rerank/off HTTP/1.1\r\nHost: localhost\r\n" + fields +
               "Content-Length: 0\r\n\r\n");
  };
  const auto cut = admin_token.substr(0, admin_token.size() - 1);
  for (const auto& shown : {std::string(), cut, admin_token + "x", cut + "x", token("ada")}) {
    const auto answer = off(shown.empty() ? "" : "Authorization: Bearer " + shown + "\r\n");
    expect_problem(answer, 401, "unauthenticated");
    EXPECT_EQ(answer.field("www-authenticate"), "Bearer error=\"invalid_token\"");
  }
  expect_problem(off("Authorization: Basic " + admin_token + "\r\n"), 401, "unauthenticated");
  EXPECT_EQ(switched, 0);
  EXPECT_EQ(off("Authorization: Bearer " + admin_token + "\r\n").status, 200);
  EXPECT_EQ(switched, 1);
  EXPECT_EQ(ask(get("/metrics")).status, 200) << "who reads shows none";
  stop();
  admin_token.clear();
  loop.restart();
  start();
  EXPECT_EQ(off("Authorization: Bearer \r\n").status, 403) << "no token is no way in";
  EXPECT_EQ(off("").status, 403);
  EXPECT_EQ(switched, 1);
}

TEST_F(ApiTest, AnAdminRequestFromAForeignPageIsRefused) {
  std::atomic<int> switched = 0;
  switch_rerank = [&](bool) { ++switched; };
  start();
  const auto off = [&](const std::string& fields) {
    return ask("POST /flags/rerank/off HTTP/1.1\r\nAuthorization: Bearer " + admin_token + "\r\n" +
               fields + "Content-Length: 0\r\n\r\n");
  };
  for (const std::string fields :
       {"Host: 127.0.0.1:7401\r\nOrigin: https://evil.example\r\n",
        "Host: 127.0.0.1:7401\r\nOrigin: null\r\n",
        "Host: 127.0.0.1:7401\r\nOrigin: http://127.0.0.1:3000\r\n",
        "Host: 127.0.0.1:7401\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: localhost:7401\r\nSec-Fetch-Site: same-site\r\n", "Host: evil.example\r\n",
        "Host: evil.example\r\nOrigin: http://evil.example\r\n"})
    expect_problem(off(fields), 403, "bad_request");
  EXPECT_EQ(switched, 0);
  for (const std::string fields :
       {"Host: 127.0.0.1:7401\r\n", "Host: [::1]:7401\r\n", "Host: memseal:7401\r\n",
        "Host: localhost:7401\r\nOrigin: http://localhost:7401\r\nSec-Fetch-Site: same-origin\r\n"})
    EXPECT_EQ(off(fields).status, 200) << fields;
  EXPECT_EQ(switched, 4);
}

// A page may resolve its own name to this machine (DNS rebinding). Then only the Host shows it.
TEST_F(ApiTest, APageOfAForeignNameReadsNoMetrics) {
  start();
  const auto read = [&](const std::string& path) {
    return ask("GET " + path + " HTTP/1.1\r\nHost: evil.example:7401\r\n\r\n").status;
  };
  EXPECT_EQ(read("/metrics"), 403);
  EXPECT_EQ(read("/metrics/memory"), 403);
  EXPECT_EQ(read("/health"), 200);
}

TEST_F(ApiTest, ABodyThatArrivesSlowlyTakesNoTimeFromTheWork) {
  world.fill("ada", 1);
  options.request_deadline = 500ms;
  start();
  const auto request = post(query_path, R"({"query":"which?"})");
  Client client(server->port());
  client.say(request.substr(0, request.size() - 1));
  std::this_thread::sleep_for(700ms);
  client.say(request.substr(request.size() - 1));
  EXPECT_EQ(client.answer().status, 200);
}

TEST_F(ApiTest, AnswersTheFormsOfATargetThatHttpKnows) {
  start();
  EXPECT_EQ(ask(get("/%68ealth")).status, 200);
  EXPECT_EQ(ask("GET http://127.0.0.1:7400/health HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
  EXPECT_EQ(ask("GET /health HTTP/1.2\r\nHost: a\r\n\r\n").status, 200);
  EXPECT_EQ(ask("GET /health HTTP/1.0\r\n\r\n").status, 200);
  const auto server = ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(server.status, 204);
  EXPECT_EQ(server.field("allow"), "GET, HEAD, POST, DELETE, OPTIONS");
}

TEST_F(ApiTest, NamesAFieldByPointerOrHeader) {
  start();
  const auto field = [&](const std::string& request) {
    return std::string(json::parse(ask(request).body).at("field").as_string());
  };
  const std::string long_text(1'048'000, 'x'), name(200, 'n');
  EXPECT_EQ(field(post(index_path, R"({"text":")" + long_text + R"(","name":")" + name + "\"}")),
            "/text");
  EXPECT_EQ(field(post(index_path, R"({"text":"a"})", "Idempotency-Key: a b\r\n")),
            "Idempotency-Key");
  EXPECT_EQ(field(post(index_path,
                       R"({"text":"a","attributes":{"a":")" + std::string(9'000, 'x') + "\"}}")),
            "/attributes");
  EXPECT_EQ(field(post(query_path, R"({"query":"a","user_id":"bob"})")), "/user_id");
}

TEST_F(ApiTest, AnswersNoPageUnlessItsOriginIsSet) {
  start();
  const std::string origin = "Origin: https://app.example\r\n";
  const auto preflight =
      ask(head("OPTIONS " + query_path, "ada", origin + "Access-Control-Request-Method: POST\r\n") +
          "\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_FALSE(preflight.has("access-control-allow-origin"));
  EXPECT_FALSE(preflight.has("vary"));
  EXPECT_FALSE(ask(post(query_path, question, origin)).has("access-control-allow-origin"));
}

TEST_F(ApiTest, LetsAPageOfASetOriginReadItsAnswers) {
  world.fill("ada", 1);
  cors_origins = {"https://app.example", "http://localhost:3000"};
  start();
  const std::string origin = "Origin: https://app.example\r\n";
  const auto preflight =
      ask("OPTIONS " + query_path + " HTTP/1.1\r\nHost: memseal\r\n" + origin +
          "Access-Control-Request-Method: POST\r\n"
          "Access-Control-Request-Headers: authorization,content-type,x-stainless-os\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.field("access-control-allow-origin"), "https://app.example");
  EXPECT_EQ(preflight.field("access-control-allow-methods"), "POST, OPTIONS");
  EXPECT_EQ(preflight.field("access-control-allow-headers"),
            "authorization,content-type,x-stainless-os");
  EXPECT_EQ(preflight.field("access-control-max-age"), "600");
  EXPECT_EQ(preflight.field("vary"), "Origin");
  EXPECT_FALSE(preflight.has("access-control-allow-credentials"));

  for (const auto& request :
       {post(query_path, question, origin), post(query_path, "{}", origin),
        post(query_path, question, origin + "Accept: text/event-stream\r\n")}) {
    const auto answer = ask(request);
    EXPECT_EQ(answer.field("access-control-allow-origin"), "https://app.example");
    EXPECT_NE(answer.field("access-control-expose-headers").find("X-Request-ID"),
              std::string::npos);
  }
  for (const std::string other :
       {"Origin: https://app.example.evil.example\r\n", "Origin: http://app.example\r\n",
        "Origin: https://app.example/\r\n", "Origin: null\r\n", ""}) {
    const auto answer = ask(post(query_path, question, other));
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.has("access-control-allow-origin")) << other;
    EXPECT_EQ(answer.field("vary"), "Origin");
  }
}

}  // namespace
}  // namespace memseal::test

// The models by themselves, in the shapes of Cohere, text-embeddings-inference and OpenAI.
#include "unit/http/fixture.hpp"

#include <boost/json/parse.hpp>

namespace memseal::test {
namespace {

namespace json = boost::json;

const std::string rerank_path = "/api/v1/rerank";
const std::string tei_path = "/rerank";
const std::string embeddings_path = "/v1/embeddings";
const std::string metrics_path = "/api/v1/rerank/metrics";
const std::string two_documents = R"({"query":"q","documents":["a 1","b 2"]})";
const std::string two_texts = R"({"query":"q","texts":["a 1","b 2"]})";
const std::string one_input = R"({"input":"mars"})";

class ModelRoutesTest : public ServerTest {
 protected:
  void expect_problem(const Answer& answer, int status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.field("content-type"), "application/problem+json");
    EXPECT_EQ(problem(answer, "code"), code);
  }
  static std::string problem(const Answer& answer, const char* member) {
    boost::system::error_code malformed;
    const auto body = json::parse(answer.body, malformed);
    if (malformed || !body.is_object() || !body.as_object().contains(member)) return "";
    return std::string(body.at(member).as_string());
  }
  std::vector<std::string> every_request() {
    return {post(rerank_path, two_documents), post(tei_path, two_texts),
            post(embeddings_path, one_input), get(metrics_path)};
  }
};

TEST_F(ModelRoutesTest, RanksInCoheresShape) {
  start();
  const auto answer = ask(post(rerank_path, R"({"query":"q","model":"fake-reranker","top_n":2,)"
                                            R"("documents":["a 0",{"text":"b 2"},"c 1"],)"
                                            R"("return_documents":true})"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.field("content-type"), "application/json");
  EXPECT_EQ(answer.field("x-reranked-count"), "3");
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("id").as_string().size(), 36u);
  const auto& results = body.at("results").as_array();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].at("index"), 1);
  EXPECT_EQ(results[1].at("index"), 2);
  EXPECT_EQ(results[0].at("document").at("text"), "b 2");
  EXPECT_NEAR(results[0].at("relevance_score").to_number<double>(), 0.880797, 1e-5);
  EXPECT_EQ(body.at("meta").at("model"), "fake-reranker");
  EXPECT_EQ(body.at("meta").at("reranked_count"), 3);
}

TEST_F(ModelRoutesTest, AnswersUnderTheBaseUrlsThatClientsWrite) {
  start();
  for (const std::string path : {"/api/v1/rerank", "/v1/rerank"}) {
    const auto body = json::parse(ask(post(path, two_documents)).body);
    EXPECT_EQ(body.at("meta").at("api_version").at("version"), "1") << path;
  }
  for (const std::string path : {"/api/v2/rerank", "/v2/rerank"}) {
    const auto answer = ask(post(path, R"({"model":"fake-reranker","query":"q",)"
                                       R"("documents":["a 1"],"max_tokens_per_doc":null})"));
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(json::parse(answer.body).at("meta").at("api_version").at("version"), "2") << path;
  }
  for (const std::string base : {"/v1", "/api/v1"}) {
    EXPECT_EQ(ask(post(base + "/embeddings", one_input)).status, 200) << base;
    EXPECT_EQ(ask(get(base + "/models")).status, 200) << base;
  }
}

TEST_F(ModelRoutesTest, ListsItsModelsInOpenAisShape) {
  start();
  const auto answer = ask(get("/v1/models"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("object"), "list");
  ASSERT_EQ(body.at("data").as_array().size(), 2u);
  const auto& model = body.at("data").at(0);
  EXPECT_EQ(model.at("id"), "fake-embedder");
  EXPECT_EQ(model.at("object"), "model");
  EXPECT_EQ(model.at("owned_by"), "memseal");
  EXPECT_GT(model.at("created").as_int64(), 1'700'000'000);
  EXPECT_EQ(body.at("data").at(1).at("id"), "fake-reranker");
  EXPECT_EQ(json::parse(ask(get("/v1/models/fake-embedder")).body).at("id"), "fake-embedder");
  const auto other = ask(get("/v1/models/gpt-4o"));
  expect_problem(other, 404, "not_found");
  EXPECT_EQ(json::parse(other.body).at("error").at("code"), "not_found");
}

TEST_F(ModelRoutesTest, ListsNoModelThatDoesNotAnswer) {
  world.reranking.reranker = nullptr;
  world.inference.tokenizer = nullptr;
  start();
  EXPECT_EQ(ask(get("/v1/models")).body, R"({"object":"list","data":[]})");
}

TEST_F(ModelRoutesTest, ShowsAnErrorInTheShapeOfEachService) {
  start();
  const auto openai = [&](const std::string& request, int status) {
    const auto answer = ask(request);
    EXPECT_EQ(answer.status, status);
    const auto error = json::parse(answer.body).at("error");
    EXPECT_FALSE(error.at("message").as_string().empty());
    EXPECT_EQ(error.at("code"), json::parse(answer.body).at("code"));
    return error;
  };
  EXPECT_EQ(openai(post(embeddings_path, R"({"input":5})"), 422).at("param"), "input");
  EXPECT_EQ(openai(post(embeddings_path, R"({"input":"x","model":"other"})"), 422).at("message"),
            "model: the model here is \"fake-embedder\"");
  openai(post(embeddings_path, "{"), 400);
  openai(post("/v1/models", "{}"), 405);
  openai(get("/v1/nothing"), 404);
  auto unsigned_request = post(embeddings_path, one_input);
  unsigned_request.replace(unsigned_request.find("Bearer"), 6, "Basic ");
  EXPECT_EQ(openai(unsigned_request, 401).at("type"), "authentication_error");

  const auto cohere = ask(post("/api/v2/rerank", R"({"query":"x","documents":5})"));
  EXPECT_EQ(json::parse(cohere.body).at("message"), "documents: must be an array");
  const auto unknown = ask(get("/v2/chat"));
  EXPECT_EQ(json::parse(unknown.body).at("message"), "Not found");
  const auto tei = ask(post(tei_path, R"({"query":"x","texts":5})"));
  EXPECT_EQ(json::parse(tei.body).at("error"), "texts: must be an array");
  EXPECT_EQ(json::parse(tei.body).at("error_type"), "validation");
  const auto own = ask(post(query_path, "{}"));
  EXPECT_FALSE(json::parse(own.body).as_object().contains("error"));

  on_loop([&] { return world.embedder.faults.error = Error{Errc::unavailable, "broken"}; });
  EXPECT_EQ(openai(post(embeddings_path, one_input), 503).at("type"), "server_error");
  on_loop([&] { return limiter.admission.allowed = false; });
  EXPECT_EQ(openai(post(embeddings_path, one_input), 429).at("type"), "rate_limit_error");
}

TEST_F(ModelRoutesTest, RanksInTheShapeOfTextEmbeddingsInference) {
  start();
  auto answer = ask(post(tei_path, R"({"query":"q","texts":["a 1","b 2"],"raw_scores":true})"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body, R"([{"index":1,"score":2},{"index":0,"score":1}])");
  answer = ask(post(tei_path, R"({"query":"q","texts":["a 1"],"return_text":true})"));
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at(0).at("text"), "a 1");
  EXPECT_NEAR(body.at(0).at("score").to_number<double>(), 0.731059, 1e-5);
}

TEST_F(ModelRoutesTest, EmbedsInTheShapeOfTextEmbeddingsInference) {
  start();
  auto answer = ask(post("/embed", R"({"inputs":["red planet","mars"],"truncate":true,)"
                                   R"("normalize":true,"prompt_name":null})"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body, "[[2,0.5,0.25,0],[1,0.5,0.25,0]]");
  answer = ask(post("/embed", R"({"inputs":"mars"})"));
  EXPECT_EQ(answer.body, "[[1,0.5,0.25,0]]") << "one text makes a list of one vector";
  for (const auto* member : {R"("normalize":false)", R"("truncate":false)",
                             R"("prompt_name":"query")", R"("dimensions":5)", R"("model":"other")",
                             R"("truncation_direction":"Left")", R"("input":"mars")"}) {
    answer = ask(post("/embed", std::string(R"({"inputs":"mars",)") + member + "}"));
    expect_problem(answer, 422, "invalid_field");
    EXPECT_EQ(problem(answer, "error_type"), "validation") << member;
  }
  on_loop([&] { return world.inference.tokenizer = nullptr; });
  expect_problem(ask(post("/embed", R"({"inputs":"mars"})")), 503, "no_model");
}

TEST_F(ModelRoutesTest, DescribesItsModelInTheShapeOfTextEmbeddingsInference) {
  start();
  auto body = json::parse(ask(get("/info")).body);
  EXPECT_EQ(body.at("model_id"), "fake-embedder");
  EXPECT_EQ(body.at("model_type").at("embedding").at("pooling"), "mean");
  EXPECT_EQ(body.at("max_client_batch_size"), 1'000);
  EXPECT_EQ(body.at("max_input_length"), 256);
  EXPECT_FALSE(body.at("version").as_string().empty());
  on_loop([&] { return world.inference.tokenizer = nullptr; });
  body = json::parse(ask(get("/info")).body);
  EXPECT_EQ(body.at("model_id"), "fake-reranker");
  EXPECT_TRUE(body.at("model_type").as_object().contains("reranker"));
  on_loop([&] { return world.reranking.reranker = nullptr; });
  expect_problem(ask(get("/info")), 503, "no_model");
}

TEST_F(ModelRoutesTest, EmbedsInOpenAisShape) {
  start();
  auto answer = ask(post(embeddings_path, R"({"input":["red planet","mars"],)"
                                          R"("model":"someone/fake-embedder","dimensions":4})"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body,
            R"({"object":"list","data":[{"object":"embedding","index":0,)"
            R"("embedding":[2,0.5,0.25,0]},{"object":"embedding","index":1,)"
            R"("embedding":[1,0.5,0.25,0]}],"model":"fake-embedder",)"
            R"("usage":{"prompt_tokens":7,"total_tokens":7}})");
  answer = ask(post(embeddings_path, R"({"input":"mars","encoding_format":"base64"})"));
  EXPECT_EQ(json::parse(answer.body).at("data").at(0).at("embedding"),
            "AACAPwAAAD8AAIA+AAAAAA==");
}

TEST_F(ModelRoutesTest, EmbedsAThousandTextsInOneRequest) {
  start();
  std::string inputs = "\"mars\"";
  for (int i = 1; i < 1'000; ++i) inputs += ",\"mars\"";
  const auto answer = ask(post(embeddings_path, "{\"input\":[" + inputs + "]}"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body.at("data").as_array().size(), 1'000u);
  EXPECT_EQ(body.at("data").at(999).at("index"), 999);
  expect_problem(ask(post(embeddings_path, "{\"input\":[\"mars\"," + inputs + "]}")), 422,
                 "invalid_field");
}

TEST_F(ModelRoutesTest, TakesATokenOfTheBucketAndNoneWithoutAToken) {
  start();
  for (auto request : every_request()) {
    EXPECT_EQ(ask(request).field("x-ratelimit-remaining"), "99");
    const auto from = request.find("Authorization");
    request.erase(from, request.find("\r\n", from) + 2 - from);
    const auto answer = ask(request);
    expect_problem(answer, 401, "unauthenticated");
    EXPECT_FALSE(answer.has("x-ratelimit-limit"));
  }
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 4);
  on_loop([&] { return limiter.admission.allowed = false; });
  for (const auto& request : every_request()) expect_problem(ask(request), 429, "rate_limited");
}

TEST_F(ModelRoutesTest, RefusesWhatItCannotRead) {
  options.body_bytes_max = 2'000;
  start();
  for (const auto& path : {rerank_path, tei_path, embeddings_path}) {
    expect_problem(ask(post(path, "{")), 400, "bad_json");
    expect_problem(ask(post(path, "{}")), 422, "invalid_field");
    expect_problem(ask(post(path, std::string(2'001, ' '))), 413, "payload_too_large");
    expect_problem(ask(get(path)), 405, "method_not_allowed");
    auto request = post(path, "{}");
    request.replace(request.find("application/json"), 16, "text/plain");
    expect_problem(ask(request), 415, "unsupported_media_type");
  }
}

TEST_F(ModelRoutesTest, NamesTheModelToWhoAsksForAnother) {
  start();
  auto answer = ask(post(rerank_path, R"({"query":"q","documents":["a 1"],"model":"other"})"));
  expect_problem(answer, 422, "invalid_field");
  EXPECT_EQ(problem(answer, "field"), "/model");
  EXPECT_EQ(problem(answer, "detail"), "the model here is \"fake-reranker\"");
  expect_problem(ask(post(tei_path, R"({"query":"q","texts":["a 1"],"model":"other"})")), 422,
                 "invalid_field");
  answer = ask(post(embeddings_path, R"({"input":"mars","model":"text-embedding-3-small"})"));
  EXPECT_EQ(problem(answer, "detail"), "the model here is \"fake-embedder\"");
  answer = ask(post(embeddings_path, R"({"input":"mars","dimensions":256})"));
  expect_problem(answer, 422, "invalid_field");
  EXPECT_EQ(problem(answer, "field"), "/dimensions");
}

TEST_F(ModelRoutesTest, NamesTheMendWhereThereIsNoModel) {
  world.reranking.reranker = nullptr;
  world.inference.tokenizer = nullptr;
  start();
  for (const auto& request : {post(rerank_path, two_documents), post(tei_path, two_texts)}) {
    const auto answer = ask(request);
    expect_problem(answer, 503, "no_model");
    EXPECT_NE(problem(answer, "detail").find("set rerank.model"), std::string::npos);
    EXPECT_FALSE(answer.has("retry-after")) << "time alone does not mend it";
  }
  expect_problem(ask(post(embeddings_path, one_input)), 503, "no_model");
}

TEST_F(ModelRoutesTest, TellsAClosedDoorFromALateAnswerAndAFailure) {
  start();
  on_loop([&] { return world.flags.rerank_enabled = false; });
  expect_problem(ask(post(rerank_path, two_documents)), 503, "no_model");
  on_loop([&] {
    world.flags.rerank_enabled = true;
    world.reranker.faults.error = Error{Errc::timeout, "late"};
    return true;
  });
  expect_problem(ask(post(rerank_path, two_documents)), 504, "timeout");
  on_loop([&] { return world.reranker.faults.error = Error{Errc::unavailable, "at 10.0.0.1"}; });
  auto answer = ask(post(tei_path, two_texts));
  expect_problem(answer, 503, "unavailable");
  EXPECT_EQ(answer.body.find("10.0.0.1"), std::string::npos);
  on_loop([&] {
    world.reranker.faults.error.reset();
    return world.reranker.faults.throws_unexpected = true;
  });
  answer = ask(post(tei_path, two_texts));
  expect_problem(answer, 500, "internal");
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  answer = ask(post(rerank_path, two_documents));
  expect_problem(answer, 503, "overloaded");
  EXPECT_EQ(answer.field("retry-after"), "1");
}

TEST_F(ModelRoutesTest, SaysHowManyWereRankedWhenTheTimeWasShort) {
  options.request_deadline = 400ms;
  world.reranker.each = 20ms;
  start();
  std::string documents = "\"d 1\"";
  for (int i = 1; i < 200; ++i) documents += ",\"d 1\"";
  const auto answer = ask(post(rerank_path, R"({"query":"q","documents":[)" + documents + "]}"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto body = json::parse(answer.body);
  const auto ranked = body.at("meta").at("reranked_count").as_int64();
  EXPECT_GE(ranked, 1);
  EXPECT_LT(ranked, 50);
  EXPECT_EQ(body.at("meta").at("documents"), 200);
  EXPECT_EQ(body.at("meta").at("warnings").as_array().size(), 1u);
  EXPECT_EQ(answer.field("x-reranked-count"), std::to_string(ranked));
  EXPECT_EQ(body.at("results").as_array().size(), 200u) << "each document has a place";
  EXPECT_EQ(body.at("results").at(199).at("index"), 199);
}

TEST_F(ModelRoutesTest, EndsWithItsClient) {
  world.reranker.faults.delay = 10s;
  start();
  auto client = connect();
  client.say(post(rerank_path, two_documents));
  EXPECT_TRUE(eventually([&] { return world.reranker.faults.calls == 1; }));
  client.close();
  EXPECT_TRUE(eventually([&] { return world.reranker.faults.cancelled == 1; }));
  EXPECT_EQ(on_loop([&] { return world.rerank_metrics.queue.Value(); }), 0);
}

TEST_F(ModelRoutesTest, ReportsWhatTheRerankerDoes) {
  world.fill("ada", 8);
  start();
  auto body = json::parse(ask(get(metrics_path)).body);
  EXPECT_EQ(body.at("enabled"), true);
  EXPECT_EQ(body.at("model"), "fake-reranker");
  EXPECT_EQ(body.at("breaker"), "closed");
  EXPECT_EQ(body.at("budget_ms"), 250);
  EXPECT_EQ(body.at("latency_ms").at("count"), 0);
  EXPECT_TRUE(body.at("latency_ms").at("p95").is_null());

  ask(post(query_path, question));
  ask(post(query_path, R"({"query":"q","rerank":false})"));
  on_loop([&] { return world.reranker.faults.error = Error{Errc::unavailable, "away"}; });
  for (int i = 0; i < 4; ++i) ask(post(query_path, question));
  body = json::parse(ask(get(metrics_path)).body);
  EXPECT_EQ(body.at("breaker"), "open");
  EXPECT_EQ(body.at("fallbacks").at("none"), 1);
  EXPECT_EQ(body.at("fallbacks").at("not_requested"), 1);
  EXPECT_EQ(body.at("fallbacks").at("error"), 3);
  EXPECT_EQ(body.at("fallbacks").at("breaker_open"), 1);
  EXPECT_EQ(body.at("fallbacks").at("timeout"), 0);
  EXPECT_EQ(body.at("partial"), 0);
  EXPECT_EQ(body.at("queue_length"), 0);
  EXPECT_EQ(body.at("latency_ms").at("count"), 4);
  EXPECT_GT(body.at("latency_ms").at("p99").to_number<double>(), 0);
  EXPECT_EQ(body.at("batch_size").at("mean"), 8.0);
  const auto text = ask(get("/metrics")).body;
  for (const char* line : {"memseal_rerank_duration_seconds_bucket{le=\"0.15\"}",
                           "memseal_rerank_batch_size_count 4", "memseal_rerank_queue_length 0",
                           "memseal_rerank_partial_total 0",
                           "memseal_rerank_fallback_total{reason=\"breaker_open\"} 1"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
}

TEST_F(ModelRoutesTest, AQuerySaysHowManyPassagesWereRanked) {
  world.fill("ada", 8);
  world.reranker.answers = [](const auto&) { return std::vector<float>{0, 1, 2}; };
  start();
  const auto body = json::parse(ask(post(query_path, question)).body);
  EXPECT_EQ(body.at("reranked"), true);
  EXPECT_EQ(body.at("reranked_count"), 3);
  EXPECT_EQ(body.at("candidates"), 8);
  EXPECT_TRUE(body.at("fallback_reason").is_null());
  EXPECT_EQ(body.at("results").at(0).at("text"), "passage 2");
  EXPECT_EQ(body.at("results").at(3).at("text"), "passage 3");
  EXPECT_TRUE(body.at("results").at(3).at("rerank_score").is_null());
  const auto stream = ask(post(query_path, question, "Accept: text/event-stream\r\n")).body;
  EXPECT_NE(stream.find(R"("candidates":8,"reranked":true,"reranked_count":3)"),
            std::string::npos)
      << stream;
}

}  // namespace
}  // namespace memseal::test

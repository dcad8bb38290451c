#include "pure/wire/inference.hpp"

#include "pure/codec/base64.hpp"

#include "base/limits.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace memseal::wire {
namespace {

struct BadBody {
  std::string body;
  std::string field;
  Errc code = Errc::invalid_field;
};

template <class Parse>
void expect_all_refused(Parse parse, const std::vector<BadBody>& table) {
  for (const auto& bad : table) {
    const auto shown = bad.body.substr(0, 80);
    const auto request = parse(bad.body);
    EXPECT_FALSE(request) << shown;
    if (request) continue;
    EXPECT_EQ(errc_name(request.error().code), errc_name(bad.code)) << shown;
    EXPECT_EQ(request.error().field, bad.field) << shown << ": " << request.error().message;
  }
}

std::string list_of(std::size_t count, const std::string& item) {
  std::string list = "[";
  for (std::size_t i = 0; i < count; ++i) list += (i ? "," : "") + item;
  return list + "]";
}

const std::string long_text = "\"" + std::string(65'537, 't') + "\"";

std::vector<BadBody> bad_everywhere() {
  const auto J = Errc::bad_json;
  return {{"", "", J},
          {"[]", "", J},
          {"null", "", J},
          {R"({"query":"q","query":"q"})", "", J},
          {"{\"query\":\"\xff\"}", "", J},
          {std::string(40, '['), "", J},
          {std::string(limits::http_body_bytes_wall + 1, ' '), "", Errc::payload_too_large}};
}

TEST(CohereRerank, HasDefaultsForAllButQueryAndDocuments) {
  const auto request = parse_cohere_rerank(R"({"query":"q","documents":["a","b"]})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->query, "q");
  EXPECT_EQ(request->texts, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request->top_n, 2u);
  EXPECT_FALSE(request->return_texts);
  EXPECT_FALSE(request->raw_scores);
  EXPECT_EQ(request->model, "");
}

TEST(CohereRerank, ReadsEveryMemberAndBothKindsOfDocuments) {
  const auto request = parse_cohere_rerank(
      R"({"query":"q","documents":[{"text":"a"},"",{"text":"c"}],"top_n":1000,)"
      R"("return_documents":true,"model":"m"})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->texts, (std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(request->top_n, 3u);
  EXPECT_TRUE(request->return_texts);
  EXPECT_EQ(request->model, "m");
}

TEST(CohereRerank, RefusesBadBodies) {
  const auto d = [](const std::string& more) {
    return R"({"query":"q","documents":["a"],)" + more + "}";
  };
  const auto q = [](const std::string& documents) {
    return R"({"query":"q","documents":)" + documents + "}";
  };
  expect_all_refused(parse_cohere_rerank, bad_everywhere());
  expect_all_refused(
      parse_cohere_rerank,
      {{"{}", "/query"},
       {R"({"documents":["a"]})", "/query"},
       {R"({"query":" \t","documents":["a"]})", "/query"},
       {R"({"query":7,"documents":["a"]})", "/query"},
       {R"({"query":")" + std::string(8'193, 'q') + R"(","documents":["a"]})", "/query"},
       {R"({"query":"q"})", "/documents"},
       {q("[]"), "/documents"},
       {q("{}"), "/documents"},
       {q("\"a\""), "/documents"},
       {q(list_of(1'001, "\"a\"")), "/documents"},
       {q(R"(["a",7])"), "/documents/1"},
       {q(R"(["a",null])"), "/documents/1"},
       {q(R"([["a"]])"), "/documents/0"},
       {q("[" + long_text + "]"), "/documents/0"},
       {q(R"([{}])"), "/documents/0/text"},
       {q(R"([{"text":7}])"), "/documents/0/text"},
       {q(R"([{"text":null}])"), "/documents/0/text"},
       {R"({"query":"q","documents":[{"a":"x"}],"rank_fields":["b"]})", "/documents/0"},
       {R"({"query":"q","documents":[{"a":"x"}],"rank_fields":"a"})", "/rank_fields"},
       {R"({"query":"q","documents":[{"a":"x"}],"rank_fields":[7]})", "/rank_fields/0"},
       {R"({"query":"q","documents":[{"a":"x"}],"rank_fields":)" + list_of(65, "\"a\"") + "}",
        "/rank_fields"},
       {R"({"query":"q","documents":[{"a":)" + long_text + R"(}],"rank_fields":["a"]})",
        "/documents/0"},
       {q("[{\"text\":" + long_text + "}]"), "/documents/0/text"},
       {d(R"("top_n":0)"), "/top_n"},
       {d(R"("top_n":-1)"), "/top_n"},
       {d(R"("top_n":1001)"), "/top_n"},
       {d(R"("top_n":1.5)"), "/top_n"},
       {d(R"("top_n":1e300)"), "/top_n"},
       {d(R"("return_documents":"yes")"), "/return_documents"},
       {d(R"("model":"")"), "/model"},
       {d(R"("model":["m"])"), "/model"},
       {d(R"("model":")" + std::string(257, 'm') + "\""), "/model"},
       {d(R"("texts":["a"])"), "/texts"},
       {d(R"("max_chunks_per_doc":"ten")"), "/max_chunks_per_doc"},
       {d(R"("max_tokens_per_doc":0)"), "/max_tokens_per_doc"},
       {d(R"("priority":-1)"), "/priority"}});
}

TEST(CohereRerank, AcceptsTheMembersThatChangeNothingHere) {
  const auto request = parse_cohere_rerank(
      R"({"query":"q","documents":["a"],"max_chunks_per_doc":10,"max_tokens_per_doc":4096,)"
      R"("priority":0,"rank_fields":[]})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_EQ(request->texts, std::vector<std::string>{"a"});
}

TEST(CohereRerank, TakesNullForAbsentAndFiveForFivePointNought) {
  const auto request = parse_cohere_rerank(
      R"({"query":"q","documents":["a","b"],"top_n":1.0,"return_documents":null,"model":null,)"
      R"("max_tokens_per_doc":null,"rank_fields":null})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_EQ(request->top_n, 1u);
  const auto all = parse_cohere_rerank(R"({"query":"q","documents":["a","b"],"top_n":null})");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->top_n, 2u);
}

TEST(CohereRerank, ReadsTheTextOfAnObject) {
  const std::string documents =
      R"([{"text":"green tea","title":"Tea","year":2024},"plain",{"text":"a car","id":"7"}])";
  const auto by_text = parse_cohere_rerank(R"({"query":"q","documents":)" + documents + "}");
  ASSERT_TRUE(by_text) << by_text.error().field << " " << by_text.error().message;
  EXPECT_EQ(by_text->texts, (std::vector<std::string>{"green tea", "plain", "a car"}));
  const auto by_fields = parse_cohere_rerank(
      R"({"rank_fields":["title","year","text"],"query":"q","documents":)" + documents + "}");
  ASSERT_TRUE(by_fields) << by_fields.error().field << " " << by_fields.error().message;
  EXPECT_EQ(by_fields->texts, (std::vector<std::string>{"Tea\n2024\ngreen tea", "plain", "a car"}));
}

TEST(TeiRerank, ReadsEveryMember) {
  const auto request = parse_tei_rerank(
      R"({"query":"q","texts":["a","b"],"raw_scores":true,"return_text":true,"truncate":true,)"
      R"("truncation_direction":"Right","model":"m"})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->texts.size(), 2u);
  EXPECT_EQ(request->top_n, 2u);
  EXPECT_TRUE(request->raw_scores);
  EXPECT_TRUE(request->return_texts);
  EXPECT_EQ(request->model, "m");
}

TEST(TeiRerank, RefusesBadBodies) {
  const auto t = [](const std::string& more) {
    return R"({"query":"q","texts":["a"],)" + more + "}";
  };
  expect_all_refused(parse_tei_rerank, bad_everywhere());
  expect_all_refused(parse_tei_rerank,
                 {{"{}", "/query"},
                  {R"({"query":"q"})", "/texts"},
                  {R"({"query":"q","texts":[]})", "/texts"},
                  {R"({"query":"q","texts":"a"})", "/texts"},
                  {R"({"query":"q","texts":[{"text":"a"}]})", "/texts/0"},
                  {R"({"query":"q","texts":)" + list_of(1'001, "\"a\"") + "}", "/texts"},
                  {R"({"query":"q","texts":["a",)" + long_text + "]}", "/texts/1"},
                  {t(R"("raw_scores":1)"), "/raw_scores"},
                  {t(R"("return_text":"no")"), "/return_text"},
                  {t(R"("truncate":false)"), "/truncate"},
                  {t(R"("truncation_direction":"Left")"), "/truncation_direction"},
                  {t(R"("top_n":1)"), "/top_n"},
                  {t(R"("documents":["a"])"), "/documents"}});
}

TEST(TeiRerank, TakesNullForAbsent) {
  const auto request = parse_tei_rerank(
      R"({"query":"q","texts":["a"],"truncate":null,"raw_scores":null,"return_text":null,)"
      R"("truncation_direction":null,"model":null})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_FALSE(request->raw_scores);
}

TEST(EmbeddingsRequest, TakesNullForAbsent) {
  const auto request = parse_embeddings_request(
      R"({"input":"a","model":null,"encoding_format":null,"dimensions":null,"user":null})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_FALSE(request->base64);
  EXPECT_EQ(request->dimensions, 0u);
}

TEST(EmbeddingsRequest, NamesTheSettingThatSendsTextInsteadOfTokenIds) {
  for (const char* body : {R"({"input":[15339,1917]})", R"({"input":[[15339,1917],[9906]]})"}) {
    const auto request = parse_embeddings_request(body);
    ASSERT_FALSE(request) << body;
    EXPECT_EQ(request.error().field, "/input/0");
    EXPECT_NE(request.error().message.find("token ids"), std::string::npos);
    EXPECT_NE(request.error().message.find("check_embedding_ctx_length=False"), std::string::npos);
  }
}

TEST(EmbeddingsRequest, TakesOneTextOrSeveral) {
  const auto one = parse_embeddings_request(R"({"input":"a","model":"m"})");
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->inputs, std::vector<std::string>{"a"});
  EXPECT_FALSE(one->base64);
  EXPECT_EQ(one->dimensions, 0u);
  const auto many = parse_embeddings_request(
      R"({"input":["a","b"],"model":"m","encoding_format":"base64","dimensions":384,"user":"u"})");
  ASSERT_TRUE(many) << many.error().message;
  EXPECT_EQ(many->inputs, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(many->model, "m");
  EXPECT_TRUE(many->base64);
  EXPECT_EQ(many->dimensions, 384u);
}

TEST(EmbeddingsRequest, RefusesBadBodies) {
  const auto i = [](const std::string& more) { return R"({"input":"a",)" + more + "}"; };
  expect_all_refused(parse_embeddings_request, bad_everywhere());
  expect_all_refused(parse_embeddings_request,
                 {{"{}", "/input"},
                  {R"({"input":""})", "/input"},
                  {R"({"input":null})", "/input"},
                  {R"({"input":{}})", "/input"},
                  {R"({"input":[]})", "/input"},
                  {R"({"input":["a",""]})", "/input/1"},
                  {R"({"input":[1,2,3]})", "/input/0"},
                  {R"({"input":[[1,2,3]]})", "/input/0"},
                  {R"({"input":)" + long_text + "}", "/input"},
                  {R"({"input":)" + list_of(1'001, "\"a\"") + "}", "/input"},
                  {i(R"("model":"")"), "/model"},
                  {i(R"("encoding_format":"int8")"), "/encoding_format"},
                  {i(R"("encoding_format":["float"])"), "/encoding_format"},
                  {i(R"("dimensions":0)"), "/dimensions"},
                  {i(R"("dimensions":1.5)"), "/dimensions"},
                  {i(R"("user":7)"), "/user"},
                  {i(R"("inputs":["a"])"), "/inputs"}});
}

TEST(ModelNames, MeanTheSameWithAndWithoutTheirOwner) {
  EXPECT_TRUE(names_model("", "mini"));
  EXPECT_TRUE(names_model("mini", "mini"));
  EXPECT_TRUE(names_model("someone/mini", "mini"));
  EXPECT_FALSE(names_model("minimal", "mini"));
  EXPECT_FALSE(names_model("mini/", "mini"));
  EXPECT_FALSE(names_model("rerank-v3.5", "mini"));
}

RerankRequest three_texts() {
  RerankRequest request;
  request.texts = {"a", "b\"", "c"};
  request.top_n = 3;
  return request;
}

TEST(RerankJson, GivesTheBestFirstInCoheresShape) {
  auto request = three_texts();
  request.top_n = 2;
  request.return_texts = true;
  const std::vector<float> logits{-1, 0, -2};
  EXPECT_EQ(cohere_rerank_json(request, logits, "i-1", "m", 3),
            R"({"id":"i-1","results":[{"index":1,"relevance_score":0.5,)"
            R"("document":{"text":"b\""}},{"index":0,"relevance_score":0.26894143,)"
            R"("document":{"text":"a"}}],"meta":{"api_version":{"version":"1"},"model":"m",)"
            R"("documents":3,"reranked_count":3}})");
}

TEST(RerankJson, SaysWhichVersionOfCoheresApiAnswers) {
  auto request = three_texts();
  request.api_version = 2;
  const auto text = cohere_rerank_json(request, std::vector<float>{0, 0, 0}, "i", "m", 3);
  EXPECT_NE(text.find(R"("api_version":{"version":"2"})"), std::string::npos) << text;
}

TEST(RerankJson, SaysHowManyWereRankedWhenNotAllWere) {
  const std::vector<float> logits{0, 1, 0};
  const auto text = cohere_rerank_json(three_texts(), logits, "i", "m", 2);
  EXPECT_NE(text.find(R"("reranked_count":2,"warnings":["the time allowed for the first 2 )"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"({"index":0,"relevance_score":0.5},{"index":2,"relevance_score":0.5}])"),
            std::string::npos)
      << text;
}

TEST(RerankJson, KnowsTheShapeOfTextEmbeddingsInference) {
  auto request = three_texts();
  const std::vector<float> logits{0, 0, 1.5f};
  request.raw_scores = true;
  EXPECT_EQ(tei_rerank_json(request, logits),
            R"([{"index":2,"score":1.5},{"index":0,"score":0},{"index":1,"score":0}])");
  request.raw_scores = false;
  request.return_texts = true;
  EXPECT_EQ(tei_rerank_json(request, std::vector<float>{0}),
            R"([{"index":0,"score":0.5,"text":"a"}])");
}

TEST(RerankJson, TellsScoresApartThatTheirSigmoidDoesNot) {
  const std::vector<float> logits{40, 60, 50};
  const auto text = tei_rerank_json(three_texts(), logits);
  EXPECT_LT(text.find("\"index\":1"), text.find("\"index\":2"));
  EXPECT_LT(text.find("\"index\":2"), text.find("\"index\":0"));
}

TEST(EmbeddingsJson, WritesNumbersThatReadBackAsTheSameFloats) {
  EmbeddingsJson json(false);
  json.add(std::vector<float>{0.1f, -2});
  json.add(std::vector<float>{1e-9f});
  EXPECT_EQ(json.finish("m", 7),
            R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2]},)"
            R"({"object":"embedding","index":1,"embedding":[1e-09]}],"model":"m",)"
            R"("usage":{"prompt_tokens":7,"total_tokens":7}})");
}

TEST(EmbeddingsJson, WritesFloatsAsBase64WhereThatIsAskedFor) {
  EmbeddingsJson json(true);
  const std::vector<float> vector{0.25f, -1, 3};
  json.add(vector);
  const auto text = json.finish("m", 1);
  const auto from = text.find("\"embedding\":\"") + 13;
  const auto bytes = codec::decode_base64_text(text.substr(from, text.find('"', from) - from));
  ASSERT_TRUE(bytes) << text;
  ASSERT_EQ(bytes->size(), 12u);
  float back[3];
  std::memcpy(back, bytes->data(), 12);
  EXPECT_EQ(std::vector<float>(back, back + 3), vector);
}

TEST(Base64, EncodesTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> table[] = {
      {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe", "//4="}};
  for (const auto& [bytes, expected] : table) {
    std::string text;
    codec::append_base64(text, bytes);
    EXPECT_EQ(text, expected);
  }
}

}  // namespace
}  // namespace memseal::wire

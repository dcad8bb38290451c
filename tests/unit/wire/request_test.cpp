#include "pure/wire/request.hpp"

#include <gtest/gtest.h>

namespace memseal::wire {
namespace {

struct Bad {
  std::string body;
  Errc code;
  std::string field;
};

template <class Request>
void expect_refused(const Result<Request>& request, const Bad& bad) {
  const auto shown = bad.body.substr(0, 80);
  ASSERT_FALSE(request) << shown;
  EXPECT_EQ(errc_name(request.error().code), errc_name(bad.code)) << shown;
  EXPECT_EQ(request.error().field, bad.field) << shown << ": " << request.error().message;
}

TEST(QueryRequest, HasDefaultsForAllButTheQuery) {
  const auto request = parse_query_request(R"({"query":"what did I say?"})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->query, "what did I say?");
  EXPECT_EQ(request->top_k, 8u);
  EXPECT_EQ(request->candidates, 24u);
  EXPECT_TRUE(request->rerank);
  EXPECT_FALSE(request->include_trace);
  EXPECT_FALSE(request->user_id);
  EXPECT_TRUE(request->origins.empty());
}

TEST(QueryRequest, ReadsEveryMember) {
  const auto request = parse_query_request(
      R"({"query":"q","top_k":2,"candidates":2,"rerank":false,"source":"chat","tags":["a","b"],)"
      R"("doc_ids":["d/1","d 2"],"user_id":"u","include_trace":true})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->top_k, 2u);
  EXPECT_EQ(request->candidates, 2u);
  EXPECT_FALSE(request->rerank);
  EXPECT_EQ(request->origins, std::vector{Origin::chat});
  EXPECT_EQ(request->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request->doc_ids, (std::vector<std::string>{"d/1", "d 2"}));
  EXPECT_EQ(request->user_id, "u");
  EXPECT_TRUE(request->include_trace);
}

TEST(QueryRequest, RefusesBadBodies) {
  const auto F = Errc::invalid_field;
  const auto J = Errc::bad_json;
  const auto q = [](const std::string& more) { return R"({"query":"q",)" + more + "}"; };
  const std::string many_ids = [] {
    std::string ids = "\"d\"";
    for (int i = 0; i < 64; ++i) ids += ",\"d\"";
    return ids;
  }();
  const std::vector<Bad> table{
      {"", J, ""},
      {"{", J, ""},
      {"[]", J, ""},
      {"\"q\"", J, ""},
      {"{\"query\":\"\xff\"}", J, ""},
      {R"({"query":"a","query":"b"})", J, ""},
      {std::string(40, '[') + std::string(40, ']'), J, ""},
      {R"({"query":"q"} trailing)", J, ""},
      {R"({"query":")" + std::string(limits::http_body_bytes_wall, 'q') + "\"}",
       Errc::payload_too_large, ""},
      {"{}", F, "/query"},
      {R"({"query":""})", F, "/query"},
      {R"({"query":" \n\t "})", F, "/query"},
      {R"({"query":null})", F, "/query"},
      {R"({"query":["q"]})", F, "/query"},
      {R"({"query":")" + std::string(8'193, 'q') + "\"}", F, "/query"},
      {q(R"("top_k":0)"), F, "/top_k"},
      {q(R"("top_k":101)"), F, "/top_k"},
      {q(R"("top_k":1.5)"), F, "/top_k"},
      {q(R"("top_k":"3")"), F, "/top_k"},
      {q(R"("top_k":18446744073709551615)"), F, "/top_k"},
      {q(R"("candidates":101)"), F, "/candidates"},
      {q(R"("top_k":5,"candidates":4)"), F, "/candidates"},
      {q(R"("candidates":7)"), F, "/candidates"},
      {q(R"("rerank":"no")"), F, "/rerank"},
      {q(R"("rerank":1)"), F, "/rerank"},
      {q(R"("source":"email")"), F, "/source"},
      {q(R"("tags":"a")"), F, "/tags"},
      {q(R"("tags":["a",""])"), F, "/tags/1"},
      {q(R"("tags":[7])"), F, "/tags/0"},
      {q(R"("doc_ids":["a",""])"), F, "/doc_ids/1"},
      {q(R"("doc_ids":[null])"), F, "/doc_ids/0"},
      {q(R"("doc_ids":[)" + many_ids + "]"), F, "/doc_ids"},
      {q(R"("user_id":"")"), F, "/user_id"},
      {q(R"("user_id":17)"), F, "/user_id"},
      {q(R"("user_id":")" + std::string(257, 'u') + "\""), F, "/user_id"},
      {q(R"("topk":3)"), F, "/topk"},
      {q(R"("user_hash":"00")"), F, "/user_hash"},
      {q(R"("a/b":1)"), F, ""},
  };
  for (const auto& bad : table) expect_refused(parse_query_request(bad.body), bad);
}

TEST(QueryRequest, TakesNullForAbsent) {
  const auto request = parse_query_request(
      R"({"query":"q","top_k":null,"candidates":null,"rerank":null,"source":null,"tags":null,)"
      R"("doc_ids":null,"user_id":null,"include_trace":null})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_EQ(request->top_k, 8u);
  EXPECT_TRUE(request->rerank);
  EXPECT_FALSE(request->user_id);
  const auto without = parse_query_request(R"({"query":null})");
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().message, "must not be null");
}

TEST(QueryRequest, TakesAWholeNumberHoweverItIsWritten) {
  const auto request = parse_query_request(R"({"query":"q","top_k":5.0,"candidates":1.2e1})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_EQ(request->top_k, 5u);
  EXPECT_EQ(request->candidates, 12u);
}

TEST(QueryRequest, NamesTheMemberThatWasProbablyMeant) {
  const auto request = parse_query_request(R"({"query":"q","topk":3})");
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().message, "is not a known member; did you mean \"top_k\"?");
  const auto far = parse_query_request(R"({"query":"q","completely_else":3})");
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error().message, "is not a known member");
}

TEST(QueryRequest, TakesTheLargestQueryThatIsAllowed) {
  EXPECT_TRUE(parse_query_request(R"({"query":")" + std::string(8'192, 'q') + "\"}"));
}

TEST(IndexRequest, ReadsEveryMember) {
  const auto request = parse_index_request(
      R"({"doc_id":"d","name":"n.md","mime_type":"text/markdown","text":"# T","tags":["t"],)"
      R"("attributes":{"k":1.25},"user_id":"u"})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->doc_id, "d");
  EXPECT_EQ(request->name, "n.md");
  EXPECT_EQ(request->mime_type, "text/markdown");
  EXPECT_EQ(request->text, "# T");
  EXPECT_EQ(request->attributes_json, R"({"k":1.25})");
  EXPECT_EQ(request->user_id, "u");
}

TEST(IndexRequest, TakesNullForAbsent) {
  const auto request = parse_index_request(
      R"({"text":"t","doc_id":null,"name":null,"mime_type":null,"tags":null,"attributes":null,)"
      R"("user_id":null})");
  ASSERT_TRUE(request) << request.error().field << " " << request.error().message;
  EXPECT_EQ(request->mime_type, "text/plain");
  EXPECT_EQ(request->attributes_json, "");
}

TEST(IndexRequest, RefusesBadBodies) {
  const auto F = Errc::invalid_field;
  const auto t = [](const std::string& more) { return R"({"text":"t",)" + more + "}"; };
  const std::vector<Bad> table{
      {"{}", F, "/text"},
      {"null", Errc::bad_json, ""},
      {R"({"text":"  "})", F, "/text"},
      {R"({"text":"a\u0000b"})", F, "/text"},
      {t(R"("doc_id":"a\u0000")"), F, "/doc_id"},
      {t(R"("doc_id":")" + std::string(256, 'd') + "\""), F, "/doc_id"},
      {t(R"("name":"a\nb")"), F, "/name"},
      {t(R"("mime_type":"text/html")"), F, "/mime_type"},
      {t(R"("attributes":"{}")"), F, "/attributes"},
      {t(R"("attributes":{"a":")" + std::string(17'000, 'a') + "\"}"), F, "/attributes"},
      {t(R"("txt":"a")"), F, "/txt"},
  };
  for (const auto& bad : table) expect_refused(parse_index_request(bad.body), bad);
}

}  // namespace
}  // namespace memseal::wire

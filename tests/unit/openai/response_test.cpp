#include "adapters/openai/internal/response.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace memseal::openai {
namespace {

using ports::Embedding;

TEST(EmbeddingsAnswer, IsReadAndBroughtToLengthOne) {
  const auto vectors = parse_embeddings(
      R"({"object":"list","model":"m","usage":{"total_tokens":3},
          "data":[{"object":"embedding","index":0,"embedding":[3,4.0]},
                  {"index":1,"embedding":[-1e-3,0]}]})",
      2, 2);
  ASSERT_TRUE(vectors) << vectors.error().message;
  EXPECT_EQ((*vectors)[0], (Embedding{0.6f, 0.8f}));
  EXPECT_EQ((*vectors)[1], (Embedding{-1.0f, 0.0f}));
}

TEST(EmbeddingsAnswer, IsPutInOrderByIndex) {
  const auto vectors = parse_embeddings(
      R"({"data":[{"index":2,"embedding":[0,1]},{"index":0,"embedding":[1,0]},
                  {"index":1,"embedding":[0,-1]}]})",
      3, 2);
  ASSERT_TRUE(vectors) << vectors.error().message;
  EXPECT_EQ((*vectors)[0], (Embedding{1, 0}));
  EXPECT_EQ((*vectors)[1], (Embedding{0, -1}));
  EXPECT_EQ((*vectors)[2], (Embedding{0, 1}));
}

TEST(EmbeddingsAnswer, TeachesTheDimension) {
  EXPECT_EQ(parse_embeddings(R"({"data":[{"index":0,"embedding":[1,2,3]}]})", 1, 0)->at(0).size(),
            3u);
}

TEST(EmbeddingsAnswer, HasAnErrorForEachFault) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is not JSON"},
      {"{", "is not JSON"},
      {R"({"data":[{"index":0,"embedding":[NaN,1]},{"index":1,"embedding":[1,1]}]})",
       "is not JSON"},
      {R"({"data":[{"index":0,"embedding":[Infinity,1]}]})", "is not JSON"},
      {"[]", "no list"},
      {"null", "no list"},
      {R"({"data":{}})", "no list"},
      {R"({"error":{"message":"secret text"}})", "no list"},
      {R"({"data":[]})", "has 0 embeddings where 2"},
      {R"({"data":[{"index":0,"embedding":[1,1]}]})", "has 1 embeddings where 2"},
      {R"({"data":[1,2]})", "without an embedding"},
      {R"({"data":[{"index":0},{"index":1}]})", "without an embedding"},
      {R"({"data":[{"embedding":[1,1]},{"index":1,"embedding":[1,1]}]})", "without an index"},
      {R"({"data":[{"index":"0","embedding":[1,1]},{"index":1,"embedding":[1,1]}]})",
       "without an index"},
      {R"({"data":[{"index":0.0,"embedding":[1,1]},{"index":1,"embedding":[1,1]}]})",
       "without an index"},
      {R"({"data":[{"index":-1,"embedding":[1,1]},{"index":1,"embedding":[1,1]}]})",
       "not asked for"},
      {R"({"data":[{"index":0,"embedding":[1,1]},{"index":2,"embedding":[1,1]}]})",
       "not asked for"},
      {R"({"data":[{"index":0,"embedding":[1,1]},
                   {"index":18446744073709551615,"embedding":[1,1]}]})",
       "not asked for"},
      {R"({"data":[{"index":0,"embedding":[1,1]},{"index":0,"embedding":[1,1]}]})", "twice"},
      {R"({"data":[{"index":0,"embedding":[1,1,1]},{"index":1,"embedding":[1,1]}]})",
       "3 numbers where 2"},
      {R"({"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,1]}]})",
       "1 numbers where 2"},
      {R"({"data":[{"index":0,"embedding":[]},{"index":1,"embedding":[1,1]}]})", "0 numbers"},
      {R"({"data":[{"index":0,"embedding":"AACAPwAAgD8="},{"index":1,"embedding":[1,1]}]})",
       "not an array"},
      {R"({"data":[{"index":0,"embedding":["1",1]},{"index":1,"embedding":[1,1]}]})",
       "not a number"},
      {R"({"data":[{"index":0,"embedding":[null,1]},{"index":1,"embedding":[1,1]}]})",
       "not a number"},
      {R"({"data":[{"index":0,"embedding":[1e39,1]},{"index":1,"embedding":[1,1]}]})",
       "not finite"},
      {R"({"data":[{"index":0,"embedding":[1e999,1]},{"index":1,"embedding":[1,1]}]})", ""},
      {R"({"data":[{"index":0,"embedding":[0,0]},{"index":1,"embedding":[1,1]}]})", "length 0"},
      {R"({"data":[{"index":0,"embedding":[1e-30,0]},{"index":1,"embedding":[1,1]}]})",
       "length 0"},
  };
  for (const auto& [body, clause] : cases) {
    const auto vectors = parse_embeddings(body, 2, 2);
    ASSERT_FALSE(vectors) << body;
    EXPECT_EQ(vectors.error().code, Errc::unavailable);
    EXPECT_NE(vectors.error().message.find(clause), std::string::npos)
        << body << ": " << vectors.error().message;
    EXPECT_EQ(vectors.error().message.find("secret"), std::string::npos);
  }
}

TEST(EmbeddingsAnswer, MayNotNestDeeplyNorBeWiderThanAColumn) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(parse_embeddings(R"({"data":)" + deep, 1, 0));
  std::string wide = R"({"data":[{"index":0,"embedding":[1)";
  for (std::size_t i = 0; i < dimension_max; ++i) wide += ",1";
  EXPECT_FALSE(parse_embeddings(wide + "]}]}", 1, 0));
}

TEST(EmbeddingsAnswer, OfDifferentWidthsIsRefusedEvenWhenTheWidthIsUnknown) {
  EXPECT_FALSE(parse_embeddings(
      R"({"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,1]}]})", 2, 0));
}

}  // namespace
}  // namespace memseal::openai

#include "pure/codec/did_you_mean.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace memseal::codec {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  const struct {
    std::string_view a, b;
    std::size_t edits;
  } cases[] = {{"", "", 0},       {"", "abc", 3},           {"abc", "", 3},  {"abc", "abc", 0},
               {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2}, {"flaw", "lawn", 2}};
  for (const auto& [a, b, edits] : cases) {
    EXPECT_EQ(edit_distance(a, b), edits) << a << ' ' << b;
    EXPECT_EQ(edit_distance(b, a), edits) << b << ' ' << a;
  }
}

TEST(DidYouMean, FindsANameAtMostTwoEditsAway) {
  const std::vector<std::string_view> names{"query", "top_k", "tags"};
  EXPECT_EQ(did_you_mean("qeury", names), "query");
  EXPECT_EQ(did_you_mean("topk", names), "top_k");
  EXPECT_EQ(did_you_mean("tag", names), "tags");
}

TEST(DidYouMean, RefusesToGuess) {
  const std::vector<std::string_view> names{"query", "top_k", "tags", "id", ""};
  for (const std::string_view word : {"answer", "xy", "", "q", "queries", "t"})
    EXPECT_EQ(did_you_mean(word, names), std::nullopt) << word;
  EXPECT_EQ(did_you_mean("query", {}), std::nullopt);
  EXPECT_EQ(did_you_mean(std::string(1'000'000, 'x'), names), std::nullopt);
}

TEST(DidYouMean, TakesTheNearestAndOfTwoTheFirst) {
  const std::vector<std::string_view> names{"seal.key_a", "seal.key_b", "seal.keys"};
  EXPECT_EQ(did_you_mean("seal.key_", names), "seal.key_a");
  EXPECT_EQ(did_you_mean("seal.keys_", names), "seal.keys");
  EXPECT_EQ(did_you_mean("kafka.broker", std::vector<std::string_view>{"kafka.brokers.list"}, 6),
            "kafka.brokers.list");
  EXPECT_EQ(did_you_mean("kafka.broker", std::vector<std::string_view>{"kafka.brokers.list"}, 5),
            std::nullopt);
}

}  // namespace
}  // namespace memseal::codec

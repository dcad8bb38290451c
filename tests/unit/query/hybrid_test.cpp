// Questions that are asked by their words too.
#include "support/world.hpp"

#include "support/run_loop.hpp"

#include <gtest/gtest.h>

namespace memseal::query {
namespace {

struct HybridTest : ::testing::Test, ResultSink {
  HybridTest() {
    asked.text = "Where are the planets?";
    world.fill("ada", 6);
    world.query.compares_words = true;
    world.reranking.reranker = nullptr;
  }
  asio::awaitable<void> stage(const StageReport&) override { co_return; }
  asio::awaitable<void> result(const Hit& hit) override {
    texts.push_back(hit.passage.text());
    hybrid.push_back(hit.passage.from().hybrid);
    co_return;
  }
  Summary ask() {
    texts.clear();
    hybrid.clear();
    Summary summary;
    const auto work = [&]() -> asio::awaitable<void> {
      runtime::RequestContext context{"req-1", runtime::Deadline::never()};
      summary = co_await answer(world.query, context, world.tenant("ada"), asked, *this);
    };
    test::run(work());
    return summary;
  }
  void give_words(std::size_t row, float score) {
    world.search.word_scores[world.search.rows[world.tenant("ada")].at(row).id] = score;
  }

  test::World world;
  Question asked;
  std::vector<std::string> texts;
  std::vector<std::optional<crypto::HybridScore>> hybrid;
};

TEST_F(HybridTest, KeepsTheFusedOrderWhereNothingIsReranked) {
  give_words(4, 2.5f);
  const auto summary = ask();
  ASSERT_EQ(texts.size(), 6u);
  EXPECT_EQ(texts[0], "passage 4");
  EXPECT_EQ(texts[1], "passage 0");
  EXPECT_EQ(hybrid[0]->lexical, 2.5f);
  EXPECT_TRUE(summary.hybrid);
  const std::vector<std::vector<std::string>> words{{"planet", "planets"}};
  EXPECT_EQ(world.search.last_hybrid->words, words);
  EXPECT_EQ(world.search.searches, 0);
}

TEST_F(HybridTest, RerankingTakesTheFusedCandidates) {
  world.reranking.reranker = &world.reranker;
  give_words(0, 1);
  const auto summary = ask();
  EXPECT_TRUE(summary.reranked);
  EXPECT_EQ(texts[0], "passage 5");  // The fake's best one, whatever the search says.
  EXPECT_TRUE(hybrid[0]);
}

TEST_F(HybridTest, IsOffByRequestByOperatorAndForAttributes) {
  asked.hybrid = false;
  EXPECT_FALSE(ask().hybrid);
  asked.hybrid = true;
  world.query.compares_words = false;
  EXPECT_FALSE(ask().hybrid);
  world.query.compares_words = true;
  asked.text = "who is it?";  // No word that tells anything.
  EXPECT_FALSE(ask().hybrid);
  EXPECT_EQ(world.search.hybrid_searches, 0);
  EXPECT_EQ(world.search.searches, 3);
  EXPECT_FALSE(hybrid.at(0));
}

TEST_F(HybridTest, TheNextPageIsAskedWithWhatThePagesBeforeTook) {
  asked.top_k = 2;
  const auto first = ask();
  ASSERT_TRUE(first.next);
  EXPECT_EQ(first.next->ahead.size(), 1u);
  EXPECT_EQ(first.next->left.size(), 4u);
  asked.page = first.next;
  world.query.compares_words = false;  // Turned off meanwhile: the cursor still counts.
  ask();
  ASSERT_TRUE(world.search.last_hybrid);
  EXPECT_EQ(world.search.last_hybrid->left, first.next->left);
  EXPECT_EQ(world.search.last_hybrid->ahead, first.next->ahead);
  EXPECT_TRUE(world.search.last_hybrid->words.empty());
}

TEST_F(HybridTest, AResultThatIsFarAwayDoesNotEndThePages) {
  asked.min_score = 0.5f;
  world.search.rows[world.tenant("ada")].at(5).distance = 1;
  give_words(5, 3);  // Best by its words, and of a low score by its vector.
  const auto summary = ask();
  EXPECT_LT(summary.count, 6u);
  EXPECT_TRUE(summary.next);
}

TEST_F(HybridTest, OfSeveralQuestionsTheBestFusedScoreCounts) {
  asked.further = {"the other planet"};
  const auto summary = ask();
  EXPECT_TRUE(summary.hybrid);
  EXPECT_EQ(world.search.hybrid_searches, 2);
  EXPECT_EQ(texts.size(), 6u);
  EXPECT_FALSE(summary.next);
}

}  // namespace
}  // namespace memseal::query

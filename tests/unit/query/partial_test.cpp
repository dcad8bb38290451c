// A reranker that cannot rank all passages in time ranks the nearest ones.
#include "support/world.hpp"

#include "support/run_loop.hpp"

#include <gtest/gtest.h>

namespace memseal::query {
namespace {

using namespace std::chrono_literals;
using test::World;

struct HeardReranked final : ResultSink {
  asio::awaitable<void> stage(const StageReport& report) override {
    if (report.stage == Stage::rerank) rerank = report;
    co_return;
  }
  asio::awaitable<void> result(const Hit& hit) override {
    texts.push_back(hit.passage.text());
    logits.push_back(hit.rerank_score);
    scores.push_back(hit.score);
    co_return;
  }
  std::optional<StageReport> rerank;
  std::vector<std::string> texts;
  std::vector<std::optional<float>> logits;
  std::vector<float> scores;
};

struct PartialTest : ::testing::Test {
  World world;
  HeardReranked heard;

  PartialTest() { world.fill("ada", 8); }

  void rank_first(std::size_t count) {
    world.reranker.answers = [count](const auto& passages) {
      std::vector<float> logits;
      for (std::size_t i = 0; i < std::min(count, passages.size()); ++i)
        logits.push_back(static_cast<float>(i));
      return logits;
    };
  }

  Summary ask() {
    asio::io_context loop{1};
    Summary summary;
    test::run_to_end(loop, keep(summary));
    return summary;
  }
  asio::awaitable<void> keep(Summary& summary) {
    heard = {};
    Question asked;
    asked.text = "where is it?";
    runtime::RequestContext context{"req-1", runtime::Deadline::after(10s)};
    summary = co_await answer(world.query, context, world.tenant("ada"), asked, heard);
  }
};

TEST_F(PartialTest, PutsWhatWasRankedFirstAndTheRestInSearchOrder) {
  rank_first(3);
  const auto summary = ask();
  EXPECT_EQ(heard.texts,
            (std::vector<std::string>{"passage 2", "passage 1", "passage 0", "passage 3",
                                      "passage 4", "passage 5", "passage 6", "passage 7"}));
  EXPECT_EQ(heard.logits[0], 2.0f);
  EXPECT_EQ(heard.logits[2], 0.0f);
  EXPECT_FALSE(heard.logits[3]);
  EXPECT_FLOAT_EQ(heard.scores[3], 0.97f);  // 1 - distance
  EXPECT_TRUE(summary.reranked);
  EXPECT_EQ(summary.reranked_count, 3u);
  EXPECT_EQ(summary.opened, 8u);
  EXPECT_EQ(summary.fallback, Fallback::none);
  EXPECT_EQ(heard.rerank->status, StageStatus::ok);
  EXPECT_EQ(heard.rerank->count, 3u);
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 1);
  EXPECT_EQ(world.rerank_metrics.fallbacks(Fallback::none).Value(), 1);
}

TEST_F(PartialTest, CountsNothingAsPartialThatIsWhole) {
  rank_first(8);
  EXPECT_EQ(ask().reranked_count, 8u);
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 0);
}

TEST_F(PartialTest, RanksAsManyAsASlowRerankerManagesInItsBudget) {
  world.reranker.each = 100ms;
  world.reranking.budget = 500ms;
  const auto summary = ask();
  EXPECT_TRUE(summary.reranked);
  EXPECT_GE(summary.reranked_count, 1u);
  EXPECT_LT(summary.reranked_count, 8u);
  EXPECT_EQ(summary.fallback, Fallback::none);
  // Best first among the ranked ones, which are the nearest.
  EXPECT_EQ(heard.texts[0], "passage " + std::to_string(summary.reranked_count - 1));
  EXPECT_EQ(heard.texts[7], "passage 7");
}

TEST_F(PartialTest, FallsBackOnlyWhenNotOneWasRankedInTime) {
  world.reranker.each = 10s;
  world.reranking.budget = 30ms;
  const auto summary = ask();
  EXPECT_FALSE(summary.reranked);
  EXPECT_EQ(summary.fallback, Fallback::timeout);
  EXPECT_EQ(heard.texts[0], "passage 0");
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 0);
}

TEST_F(PartialTest, APartInTimeDoesNotOpenTheBreaker) {
  rank_first(1);
  for (int call = 0; call < 5; ++call) EXPECT_TRUE(ask().reranked);
  EXPECT_EQ(world.breaker.state(runtime::Clock::now()), policy::BreakerState::closed);
}

TEST_F(PartialTest, APartThatCameTooLateDoes) {
  world.breaker = policy::Breaker({.failures_max = 3, .slow = 5ms});
  world.reranker.faults.delay = 20ms;
  rank_first(1);
  for (int call = 0; call < 3; ++call) EXPECT_TRUE(ask().reranked);
  EXPECT_EQ(ask().fallback, Fallback::breaker_open);
}

}  // namespace
}  // namespace memseal::query

#include "cpu_models.hpp"

#include <cmath>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using runtime::Deadline;
using runtime::RequestContext;
using testing::code_of;
using testing::Models;
using testing::Occupied;

TEST(CpuReranker, ScoresEachPassageInItsPlace) {
  Models models;
  const std::vector<std::string> passages{"mars is the red planet.", "", "a b c d e f g",
                                          "the the the the the the the the the the", "mars"};
  const auto scores = models.await(models.reranker->score({}, "red planet?", passages));
  ASSERT_EQ(scores.size(), passages.size());
  CpuReranker reference(models.load_reranker(Backend::reference), models.pool);
  const auto wanted = models.await(reference.score({}, "red planet?", passages));
  for (std::size_t i = 0; i < passages.size(); ++i) {
    EXPECT_NEAR(scores[i], wanted[i], 1e-4) << passages[i];
    const std::vector<std::string> one{passages[i]};
    EXPECT_NEAR(models.await(models.reranker->score({}, "red planet?", one))[0], scores[i], 1e-4);
  }
  EXPECT_NE(scores[0], scores[1]);
}

TEST(CpuReranker, NoPassagesNoScores) {
  Models models;
  std::vector<std::string> none;
  EXPECT_TRUE(models.await(models.reranker->score({}, "mars", none)).empty());
}

TEST(CpuReranker, CutsPairsToWhatTheModelReads) {
  Models models;
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "red planet ";
  const std::vector<std::string> passages{text, "mars"};
  const auto scores = models.await(models.reranker->score({}, text, passages));
  for (const float score : scores) EXPECT_TRUE(std::isfinite(score));
}

/// Of many lengths, none of them the one before.
std::vector<std::string> passages_of(std::size_t count, std::size_t words_max) {
  std::vector<std::string> passages(count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t w = 0; w < (i * 37) % words_max; ++w)
      passages[i] += (i + w) % 3 == 0 ? "mars " : "the red planet ";
  return passages;
}

TEST(CpuReranker, ScoresInBlocksAsItDoesInOne) {
  Models models(1);
  const auto passages = passages_of(60, 80);
  const auto whole = models.await(models.reranker->score({}, "red planet?", passages));
  const RequestContext context{"r", Deadline::after(60s)};
  const auto blocks = models.await(models.reranker->score(context, "red planet?", passages));
  ASSERT_EQ(blocks.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(blocks[i], whole[i], 1e-4) << i;
}

TEST(CpuReranker, RanksAsManyOfTheFirstAsTheDeadlineAllows) {
  for (const std::size_t threads : {1u, 3u}) {
    Models models(threads);
    auto passages = passages_of(20'000, 90);
    const RequestContext context{"r", Deadline::after(400ms)};
    const auto scores = models.await(models.reranker->score(context, "red planet?", passages));
    ASSERT_GE(scores.size(), 1u);
    ASSERT_LT(scores.size(), passages.size());
    passages.resize(scores.size());
    const auto whole = models.await(models.reranker->score({}, "red planet?", passages));
    ASSERT_EQ(whole.size(), scores.size());
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(scores[i], whole[i], 1e-4) << i;
  }
}

TEST(CpuReranker, GivesUpWhenNotOneIsRankedByTheDeadline) {
  Models models(1);
  Occupied busy(models.pool);
  const auto passages = passages_of(5, 20);
  const auto start = runtime::Clock::now();
  for (const auto budget : {50ms, -1'000ms})
    EXPECT_EQ(code_of([&] {
                const RequestContext context{"r", Deadline::after(budget)};
                models.await(models.reranker->score(context, "mars?", passages));
              }),
              Errc::timeout);
  EXPECT_LT(runtime::Clock::now() - start, 5s);
  busy.release();
}

}  // namespace
}  // namespace memseal::model

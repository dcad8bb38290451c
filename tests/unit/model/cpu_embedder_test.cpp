#include "cpu_models.hpp"

#include <boost/asio/co_spawn.hpp>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using ports::Embedding;
using runtime::Deadline;
using testing::code_of;
using testing::Models;
using testing::Occupied;

std::vector<ports::EmbedInput> entries_of(const std::vector<std::size_t>& lengths) {
  std::vector<ports::EmbedInput> entries;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    entries.emplace_back();
    for (std::size_t t = 0; t < lengths[i]; ++t)
      entries.back().token_ids.push_back(static_cast<std::int32_t>(5 + (i * 7 + t * 3) % 50));
  }
  return entries;
}

double distance(const Embedding& a, const Embedding& b) {
  double dot = 0;
  for (std::size_t i = 0; i < a.size(); ++i) dot += static_cast<double>(a[i]) * b[i];
  return 1 - dot;
}

TEST(CpuEmbedder, AnswersInTheOrderOfItsEntries) {
  Models models;
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 150; ++i) lengths.push_back((i * 37) % 120);
  const auto entries = entries_of(lengths);
  const auto together = models.await(models.embedder->embed({}, entries));
  ASSERT_EQ(together.size(), entries.size());
  for (const std::size_t i : {0u, 1u, 50u, 149u}) {
    const std::vector<ports::EmbedInput> one{entries[i]};
    const auto alone = models.await(models.embedder->embed({}, one));
    EXPECT_NEAR(distance(alone[0], together[i]), 0, 1e-6) << i;
    EXPECT_EQ(together[i].size(), models.embedder->dimension());
  }
}

TEST(CpuEmbedder, AgreesWithTheReferenceBackend) {
  Models models;
  CpuEmbedder reference(models.load_embedder(Backend::reference), models.pool);
  EXPECT_EQ(reference.info().backend, "reference");
  const auto entries = entries_of({0, 1, 5, 126});
  const auto fast = models.await(models.embedder->embed({}, entries));
  const auto slow = models.await(reference.embed({}, entries));
  for (std::size_t i = 0; i < entries.size(); ++i)
    EXPECT_NEAR(distance(fast[i], slow[i]), 0, 1e-6);
}

TEST(CpuEmbedder, AQuestionIsEmbeddedLikeItsTokens) {
  Models models;
  const std::string text = "the red planet is mars?";
  std::vector<text::Token> tokens;
  models.embedder->tokenizer().encode(text, tokens);
  std::vector<ports::EmbedInput> entry(1);
  for (const auto& token : tokens) entry[0].token_ids.push_back(token.id);
  const auto question = models.await(models.embedder->embed_query({}, text));
  const auto chunk = models.await(models.embedder->embed({}, entry));
  EXPECT_NEAR(distance(question.values, chunk[0]), 0, 1e-6);
}

TEST(CpuEmbedder, CutsWhatTheModelCannotRead) {
  Models models;
  EXPECT_EQ(models.embedder->tokens_max(), 128u);
  auto entries = entries_of({126, 400});
  const auto& longer = entries[1].token_ids;
  entries[0].token_ids.assign(longer.begin(), longer.begin() + 126);
  const auto vectors = models.await(models.embedder->embed({}, entries));
  EXPECT_NEAR(distance(vectors[0], vectors[1]), 0, 1e-6);
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += "mars ";
  EXPECT_EQ(models.await(models.embedder->embed_query({}, text)).values.size(), 64u);
}

TEST(CpuEmbedder, NothingToEmbedIsNoWork) {
  Models models;
  std::vector<ports::EmbedInput> none;
  EXPECT_TRUE(models.await(models.embedder->embed({}, none)).empty());
}

TEST(CpuEmbedder, GivesUpAtTheDeadlineThoughNoThreadIsFree) {
  Models models(1);
  Occupied busy(models.pool);
  const auto start = runtime::Clock::now();
  const auto entries = entries_of({5});
  EXPECT_EQ(code_of([&] {
              models.await(models.embedder->embed({"r", Deadline::after(50ms)}, entries));
            }),
            Errc::timeout);
  EXPECT_EQ(code_of([&] {
              models.await(models.embedder->embed_query({"r", Deadline::after(50ms)}, "mars"));
            }),
            Errc::timeout);
  EXPECT_LT(runtime::Clock::now() - start, 5s);
  busy.release();
}

TEST(CpuEmbedder, AQuestionOvertakesWaitingChunks) {
  Models models(1);
  Occupied busy(models.pool);
  std::vector<std::string> order;
  const auto note = [&](std::string what) {
    return [&order, what](std::exception_ptr failure, const auto&) {
      EXPECT_FALSE(failure);
      order.push_back(what);
    };
  };
  const auto many = entries_of(std::vector<std::size_t>(40, 120));
  asio::co_spawn(models.loop, models.embedder->embed({}, many), note("chunks"));
  asio::co_spawn(models.loop, models.reranker->score({}, "red", {"mars", "the planet"}),
                 note("rerank"));
  asio::co_spawn(models.loop, models.embedder->embed_query({}, "mars"), note("question"));
  models.loop.poll();
  busy.release();
  while (order.size() < 3) {
    models.loop.restart();
    models.loop.run_for(50ms);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"question", "rerank", "chunks"}));
}

}  // namespace
}  // namespace memseal::model

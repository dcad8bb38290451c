#include "adapters/model/encoder/loaded_model.hpp"
#include "adapters/model/schedule/batching.hpp"
#include "adapters/model/schedule/parallel.hpp"
#include "adapters/model/schedule/priority_pool.hpp"
#include "model_files.hpp"
#include "support/run_loop.hpp"

#include <boost/asio/co_spawn.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <set>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using ports::Embedding;
using runtime::Deadline;
using runtime::RequestContext;
using testing::ModelSpec;

ModelSpec embedder_spec() {
  return {.hidden = 64, .layers = 2, .heads = 2, .intermediate = 96, .positions = 128};
}

ModelSpec reranker_spec() {
  auto spec = embedder_spec();
  spec.architecture = Architecture::cross_encoder;
  return spec;
}

/// Two models on a pool of their own, and the loop of a caller.
struct Models {
  testing::TempDirectory directory;
  asio::thread_pool pool;
  asio::io_context loop{1};
  std::unique_ptr<CpuEmbedder> embedder;
  std::unique_ptr<CpuReranker> reranker;

  explicit Models(std::size_t threads = 2) : pool(threads) {
    testing::write_model(directory.path() / "embedder", embedder_spec());
    testing::write_model(directory.path() / "reranker", reranker_spec());
    embedder = load_embedder(directory.path() / "embedder", pool).value();
    reranker = load_reranker(directory.path() / "reranker", pool).value();
  }
  ~Models() { pool.join(); }

  template <class R>
  R await(asio::awaitable<R> work) {
    std::optional<R> result;
    test::run_to_end(loop, keep(std::move(work), result));
    return std::move(*result);
  }

 private:
  template <class R>
  static asio::awaitable<void> keep(asio::awaitable<R> work, std::optional<R>& result) {
    result = co_await std::move(work);
  }
};

Errc code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Failure& failed) {
    return failed.error().code;
  }
  ADD_FAILURE() << "did not throw";
  return Errc::internal;
}

/// Holds one thread of a pool until it is let go.
struct Occupied {
  std::promise<void> gate;
  std::future<void> entered;
  explicit Occupied(asio::thread_pool& pool) {
    auto started = std::make_shared<std::promise<void>>();
    entered = started->get_future();
    asio::post(pool, [started, let_go = std::make_shared<std::future<void>>(gate.get_future())] {
      started->set_value();
      let_go->wait();
    });
    entered.wait();
  }
  void release() { gate.set_value(); }
};

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
  const auto reference = load_embedder(models.directory.path() / "embedder", models.pool,
                                       {.backend = Backend::reference});
  EXPECT_EQ((*reference)->info().backend, "reference");
  const auto entries = entries_of({0, 1, 5, 126});
  const auto fast = models.await(models.embedder->embed({}, entries));
  const auto slow = models.await((*reference)->embed({}, entries));
  for (std::size_t i = 0; i < entries.size(); ++i)
    EXPECT_NEAR(distance(fast[i], slow[i]), 0, 1e-6);
}

TEST(CpuEmbedder, AQuestionIsEmbeddedLikeItsTokens) {
  Models models;
  const std::string text = "the red planet is mars?";
  std::vector<text::Token> tokens;
  models.embedder->words().encode(text, tokens);
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

TEST(CpuLane, ARunningBatchStepsAsideForAQuestion) {
  asio::thread_pool pool(1);
  auto& lane = asio::use_service<CpuLane>(pool);
  std::vector<std::string> order;
  std::promise<void> started, queued;
  lane.post(Urgency::chunks, [&] {
    started.set_value();
    queued.get_future().wait();
    order.push_back("first half");
    lane.yield_to_more_urgent_than(Urgency::chunks);
    order.push_back("second half");
  });
  started.get_future().wait();
  lane.post(Urgency::chunks, [&] { order.push_back("other chunks"); });
  lane.post(Urgency::rerank, [&] { order.push_back("rerank"); });
  lane.post(Urgency::question, [&] { order.push_back("question"); });
  queued.set_value();
  pool.join();
  EXPECT_EQ(order, (std::vector<std::string>{"first half", "question", "rerank", "second half",
                                             "other chunks"}));
}

TEST(CpuLane, EveryTaskRunsOnce) {
  std::atomic<int> runs{0};
  asio::thread_pool pool(3);
  auto& lane = asio::use_service<CpuLane>(pool);
  for (int i = 0; i < 3'000; ++i)
    lane.post(static_cast<Urgency>(i % 3), [&] {
      ++runs;
      lane.yield_to_more_urgent_than(Urgency::chunks);
    });
  pool.join();
  EXPECT_EQ(runs, 3'000);
}

TEST(RunInParallel, CallsEachNumberOnce) {
  asio::thread_pool pool(3);
  auto& lane = asio::use_service<CpuLane>(pool);
  std::vector<std::atomic<int>> calls(100);
  EXPECT_TRUE(run_in_parallel(lane, Urgency::chunks, calls.size(),
                              [&](std::size_t i) { return ++calls[i], true; }));
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_TRUE(run_in_parallel(lane, Urgency::chunks, 0, [](std::size_t) { return false; }));
  pool.join();
}

TEST(RunInParallel, EndsOnTheFirstNoAndOnTheFirstThrow) {
  asio::thread_pool pool(2);
  auto& lane = asio::use_service<CpuLane>(pool);
  std::atomic<int> calls{0};
  EXPECT_FALSE(run_in_parallel(lane, Urgency::chunks, 1'000,
                               [&](std::size_t) { return ++calls < 5; }));
  EXPECT_LT(calls, 20);
  EXPECT_THROW(run_in_parallel(lane, Urgency::chunks, 10,
                               [](std::size_t i) -> bool {
                                 if (i == 3) throw std::runtime_error("three");
                                 return true;
                               }),
               std::runtime_error);
  pool.join();
}

TEST(CpuReranker, ScoresEachPassageInItsPlace) {
  Models models;
  const std::vector<std::string> passages{"mars is the red planet.", "", "a b c d e f g",
                                          "the the the the the the the the the the", "mars"};
  const auto scores = models.await(models.reranker->score({}, "red planet?", passages));
  ASSERT_EQ(scores.size(), passages.size());
  const auto reference = load_reranker(models.directory.path() / "reranker", models.pool,
                                       {.backend = Backend::reference});
  const auto wanted = models.await((*reference)->score({}, "red planet?", passages));
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

TEST(PlanBatches, TakesEveryIndexOnceWithinTheBudget) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 100; ++i) lengths.push_back(2 + (i * 53) % 255);
  std::set<std::size_t> seen;
  for (const auto& batch : plan_batches(lengths, 512)) {
    std::size_t tokens = 0;
    for (const auto index : batch) {
      EXPECT_TRUE(seen.insert(index).second);
      tokens += lengths[index];
    }
    EXPECT_LE(tokens, 512u);
  }
  EXPECT_EQ(seen.size(), lengths.size());
}

TEST(PlanBatches, AnInputAboveTheBudgetGoesAlone) {
  const std::vector<std::size_t> lengths{600, 10, 700, 20};
  const auto batches = plan_batches(lengths, 512);
  EXPECT_EQ(batches, (std::vector<std::vector<std::size_t>>{{1, 3}, {0}, {2}}));
  EXPECT_TRUE(plan_batches({}, 512).empty());
}

}  // namespace
}  // namespace memseal::model

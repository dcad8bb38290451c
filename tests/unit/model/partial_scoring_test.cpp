// One request's passages on several threads.
#include "adapters/model/schedule/partial_scoring.hpp"
#include "adapters/model/cpu_embedder.hpp"
#include "adapters/model/cpu_reranker.hpp"
#include "adapters/model/schedule/model_pool.hpp"
#include "random_bert.hpp"
#include "support/run_loop.hpp"
#include "watched_model.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <future>
#include <limits>
#include <thread>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using runtime::Deadline;
using testing::always;

constexpr std::size_t threads = 2;
const std::string query = "red planet?";

testing::WatchedModel cross_encoder() {
  return testing::watched_model({.architecture = Architecture::cross_encoder,
                                 .hidden = 64,
                                 .layers = 2,
                                 .heads = 2,
                                 .intermediate = 96,
                                 .positions = 256});
}

/// Of about 200 tokens each.
std::vector<std::string> passages_of(std::size_t count) {
  std::vector<std::string> passages(count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t w = 0; w < 100; ++w) passages[i] += (i + w) % 3 == 0 ? "mars a " : "the red ";
  return passages;
}

std::vector<float> alone(const testing::WatchedModel& watched,
                         const std::vector<std::string>& passages) {
  std::vector<float> scores;
  for (const auto& passage : passages) {
    const auto& model = *watched.model;
    const auto pair = model.tokenizer.encode_pair(query, passage, model.info.tokens_max);
    PackedBatch batch;
    batch.add(pair.ids, pair.segment_b);
    float score = 0;
    EXPECT_TRUE(watched.encoder->real->score(batch, always, {&score, 1}));
    scores.push_back(score);
  }
  return scores;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& wanted) {
  ASSERT_LE(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-4) << i;
}

asio::awaitable<void> keep(asio::awaitable<std::vector<float>> work, std::vector<float>& scores) {
  scores = co_await std::move(work);
}

/// What a test lets happen once; waiting for it ends in any case.
struct Event {
  std::promise<void> promise;
  std::shared_future<void> future = promise.get_future().share();
  void set() { promise.set_value(); }
  bool wait() const { return future.wait_for(20s) == std::future_status::ready; }
};

TEST(PartialScoring, TwoThreadsWorkOnOneRequestAtOnce) {
  const auto watched = cross_encoder();
  const auto passages = passages_of(24);
  Event second;
  std::atomic<bool> met{false};
  watched.encoder->before = [&](std::size_t number, const ShouldContinue&) {
    if (number == 2) second.set();
    if (number == 1) met = second.wait();
  };
  ModelPool pool(threads);
  CpuReranker reranker(watched.model, pool);
  asio::io_context loop{1};
  std::vector<float> scores;
  test::run_to_end(loop, keep(reranker.score({}, query, passages), scores));
  pool.join();
  EXPECT_TRUE(met) << "the first block was never joined by another";
  EXPECT_EQ(scores.size(), passages.size());
  expect_near(scores, alone(watched, passages));
}

TEST(PartialScoring, AnswersAloneWhileEveryOtherThreadIsBusy) {
  const auto watched = cross_encoder();
  const auto passages = passages_of(24);
  ModelPool pool(threads);
  Event occupied, let_go;
  asio::post(pool.threads(), [&] {
    occupied.set();
    let_go.wait();
  });
  ASSERT_TRUE(occupied.wait());
  CpuReranker reranker(watched.model, pool);
  asio::io_context loop{1};
  std::vector<float> scores;
  test::run_to_end(loop, keep(reranker.score({}, query, passages), scores));
  const auto before = watched.encoder->calls().size();
  let_go.set();
  pool.join();
  EXPECT_EQ(watched.encoder->calls().size(), before) << "who comes late finds nothing to do";
  EXPECT_EQ(scores.size(), passages.size());
  expect_near(scores, alone(watched, passages));
}

TEST(PartialScoring, ManyRequestsAtOnceAllEndRight) {
  const auto watched = cross_encoder();
  const auto passages = passages_of(9);
  const auto wanted = alone(watched, passages);
  ModelPool pool(threads);
  CpuReranker reranker(watched.model, pool);
  asio::io_context loop{1};
  int ended = 0;
  for (int i = 0; i < 12; ++i)
    asio::co_spawn(loop, reranker.score({}, query, passages),
                   [&](std::exception_ptr failure, std::vector<float> scores) {
                     EXPECT_FALSE(failure);
                     EXPECT_EQ(scores.size(), wanted.size());
                     expect_near(scores, wanted);
                     ++ended;
                   });
  loop.run_for(60s);
  EXPECT_EQ(ended, 12);
  pool.join();
}

/// A PartialScoring whose second block stays with another thread until `release`.
struct Held {
  testing::WatchedModel watched = cross_encoder();
  std::vector<std::string> passages = passages_of(24);
  Event entered, release;
  std::shared_ptr<PartialScoring> scoring;
  std::jthread other;

  explicit Held(Deadline until) {
    watched.encoder->before = [this](std::size_t number, const ShouldContinue&) {
      if (number == 1) start_other();
      if (number == 2) entered.set(), release.wait();
    };
    scoring = std::make_shared<PartialScoring>(watched.model, query, passages, until, threads);
  }
  void start_other() {
    other = std::jthread([this] { scoring->run_worker(always); });
    EXPECT_TRUE(entered.wait());
  }
};

TEST(PartialScoring, AnswersInTimeWithWhatComesBeforeABlockThatIsNotFinished) {
  Held held(Deadline::after(300ms));
  held.scoring->run_worker(always);
  const auto scores = held.scoring->finish();
  held.release.set();
  held.other.join();
  const auto calls = held.watched.encoder->calls();
  EXPECT_EQ(scores.size(), calls.at(0).size()) << "the first block, and none beyond the second";
  expect_near(scores, alone(held.watched, held.passages));
}

TEST(PartialScoring, WaitsForABlockThatIsBeingScored) {
  Held held(Deadline::never());
  held.scoring->run_worker(always);
  std::jthread later([&] { held.release.set(); });
  const auto scores = held.scoring->finish();
  EXPECT_EQ(scores.size(), held.passages.size());
  expect_near(scores, alone(held.watched, held.passages));
}

TEST(PartialScoring, EndsEveryThreadWhenOneIsToldTo) {
  Held held(Deadline::never());
  int asked = 0;
  held.scoring->run_worker([&] { return ++asked < 20; });
  held.release.set();
  held.other.join();
  const auto scores = held.scoring->finish();
  EXPECT_GE(scores.size(), 1u);
  EXPECT_LT(scores.size(), held.passages.size());
  const auto calls = held.watched.encoder->calls().size();
  held.scoring->run_worker(always);
  EXPECT_EQ(held.watched.encoder->calls().size(), calls) << "nothing is taken up afterwards";
}

TEST(PartialScoring, AScoreThatIsNotFiniteFailsTheRequestWhicheverThreadMadeIt) {
  Held held(Deadline::never());
  std::atomic<bool> spoilt{false};
  held.watched.encoder->after = [&](const PackedBatch&, std::span<float> out) {
    if (!spoilt.exchange(true)) out.back() = std::numeric_limits<float>::infinity();
  };
  held.release.set();
  held.scoring->run_worker(always);
  EXPECT_THROW((void)held.scoring->finish(), Refused);
}

TEST(PartialScoring, ShortPassagesWakeNobody) {
  const auto watched = cross_encoder();
  const auto wanted = [&](std::vector<std::string> passages) {
    return PartialScoring(watched.model, query, std::move(passages), Deadline::never(), 8)
        .threads_wanted();
  };
  EXPECT_EQ(wanted({"mars"}), 1u);
  EXPECT_EQ(wanted({"mars", "the red planet", "a"}), 1u);
  EXPECT_EQ(wanted(passages_of(3)), 3u);
  EXPECT_EQ(wanted(passages_of(100)), 8u);
}

}  // namespace
}  // namespace memseal::model

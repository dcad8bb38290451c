#include "cases/inference/inference.hpp"

#include "support/world.hpp"

#include "support/code_of.hpp"
#include "support/run_loop.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include <gtest/gtest.h>

#include <limits>

namespace memseal::inference {
namespace {

using namespace std::chrono_literals;
using test::code_of;
using test::World;

/// Texts that the model reads up to its last token; about 43 of them make one call of the embedder.
std::vector<std::string> long_texts(std::size_t count) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "mars ";
  return std::vector<std::string>(count, text);
}

struct InferenceTest : ::testing::Test {
  World world;
  runtime::RequestContext context{"req-1", runtime::Deadline::after(10s)};

  std::vector<float> rank(std::size_t count) { return rank_all(count).logits; }
  Ranked rank_all(std::size_t count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back("text " + std::to_string(i % 10));
    Ranked ranked;
    asio::io_context loop{1};
    test::run_to_end(loop, keep_ranked(std::move(texts), ranked));
    return ranked;
  }
  asio::awaitable<void> keep_ranked(std::vector<std::string> texts, Ranked& ranked) {
    ranked = co_await rank_texts(world.inference, context, "which?", std::move(texts));
  }

  Embedded embed(std::vector<std::string> texts) {
    Embedded embedded;
    asio::io_context loop{1};
    test::run_to_end(loop, keep_vectors(std::move(texts), embedded));
    return embedded;
  }
  asio::awaitable<void> keep_vectors(std::vector<std::string> texts, Embedded& embedded) {
    auto batch = co_await make_batch(world.inference, context, std::move(texts), "/input");
    const auto tokens = batch.tokens;
    embedded = co_await embed_batch(world.inference, context, std::move(batch));
    EXPECT_EQ(embedded.tokens, tokens) << "what is charged is what the model reads";
  }

  policy::BreakerState breaker() { return world.breaker.state(runtime::Clock::now()); }
  void trip() {
    for (int call = 0; call < 3; ++call) world.breaker.record(runtime::Clock::now(), 1s, false);
  }
};

TEST_F(InferenceTest, RanksEveryTextInItsPlaceAFewAtATime) {
  const auto logits = rank(60);
  ASSERT_EQ(logits.size(), 60u);
  for (std::size_t i = 0; i < logits.size(); ++i)
    EXPECT_EQ(logits[i], static_cast<float>(i % 10));
  EXPECT_EQ(world.reranker.asked, (std::vector<std::size_t>{24, 24, 12}));
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 0);
  EXPECT_EQ(world.rerank_metrics.queue.Value(), 0);
}

TEST_F(InferenceTest, GivesWhatWasRankedWhenTheDeadlineComes) {
  context.deadline = runtime::Deadline::after(400ms);
  world.reranker.each = 10ms;
  const auto all = rank_all(1'000);
  EXPECT_GE(all.ranked, 1u);
  EXPECT_LT(all.ranked, 100u);
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 1);
  EXPECT_EQ(breaker(), policy::BreakerState::closed);
}

TEST_F(InferenceTest, KeepsWhatItHasWhenALaterCallIsLate) {
  world.reranker.answers = [this](const auto& passages) {
    if (world.reranker.asked.size() > 1) throw Outage({Errc::timeout, "late"});
    return std::vector<float>(passages.size(), 1.0f);
  };
  EXPECT_EQ(rank_all(50).ranked, 24u);
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 1);
}

TEST_F(InferenceTest, GivesEveryTextAPlaceBehindWhatWasRanked) {
  world.reranker.answers = [this](const auto& passages) {
    if (world.reranker.asked.size() > 1) throw Outage({Errc::timeout, "late"});
    std::vector<float> logits(passages.size(), 1.0f);
    logits[3] = -2.0f;
    return logits;
  };
  const auto all = rank_all(50);
  EXPECT_EQ(all.ranked, 24u);
  ASSERT_EQ(all.logits.size(), 50u);
  EXPECT_EQ(all.logits[23], 1.0f);
  for (std::size_t i = 24; i < 50; ++i) EXPECT_EQ(all.logits[i], -2.0f) << i;
  world.reranker.answers = nullptr;
  EXPECT_EQ(rank_all(3).ranked, 3u);
}

TEST_F(InferenceTest, SaysWhyNothingCouldBeRanked) {
  world.reranker.faults.error = Error{Errc::unavailable, "away"};
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::unavailable);
  world.reranker.faults.error = Error{Errc::timeout, "late"};
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::timeout);
  world.reranker.faults.error.reset();
  world.reranker.answers = [](const auto& passages) {
    return std::vector<float>(passages.size(), std::numeric_limits<float>::quiet_NaN());
  };
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::internal);
  EXPECT_EQ(breaker(), policy::BreakerState::open) << "three failures in a row";
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::overloaded);
  EXPECT_EQ(world.reranker.faults.calls, 3);
  EXPECT_EQ(world.rerank_metrics.circuit_open.Value(), 1);
}

TEST_F(InferenceTest, StopsWaitingAtTheDeadlineForARerankerThatDoesNot) {
  context.deadline = runtime::Deadline::after(50ms);
  world.reranker.faults.delay = 10s;
  const auto start = runtime::Clock::now();
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::timeout);
  EXPECT_LT(runtime::Clock::now() - start, 5s);
  EXPECT_EQ(world.reranker.faults.cancelled, 1);
}

// A client can leave as little time as it likes, for example by a body that arrives slowly.
TEST_F(InferenceTest, ACallerWithoutTimeDoesNotOpenTheBreaker) {
  world.breaker = policy::Breaker({.failures_max = 1});
  context.deadline = runtime::Deadline::after(10ms);
  world.reranker.faults.delay = 10s;
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::timeout);
  EXPECT_EQ(breaker(), policy::BreakerState::closed);
}

TEST_F(InferenceTest, NamesTheFixWhereThereIsNoReranker) {
  world.flags.rerank_enabled = false;
  EXPECT_EQ(code_of([&] { rank(2); }), Errc::no_model);
  world.reranking.reranker = nullptr;
  try {
    rank(2);
    ADD_FAILURE() << "did not throw";
  } catch (const Refused& refused) {
    EXPECT_NE(refused.error().message.find("rerank.model"), std::string::npos);
  }
}

TEST_F(InferenceTest, ABulkCallThatTakesLongIsNoFaultOfTheReranker) {
  world.breaker = policy::Breaker({.failures_max = 1, .slow = 1ms});
  world.reranker.faults.delay = 10ms;
  EXPECT_EQ(rank(30).size(), 30u);
  EXPECT_EQ(breaker(), policy::BreakerState::closed);
}

TEST_F(InferenceTest, AHalfOpenCallThatIsAnsweredClosesTheBreaker) {
  world.breaker = policy::Breaker({.cool_down = 1ms});
  trip();
  while (breaker() != policy::BreakerState::half_open) {
  }
  EXPECT_EQ(rank(30).size(), 30u);
  EXPECT_EQ(breaker(), policy::BreakerState::closed);
}

TEST_F(InferenceTest, AClientThatDisconnectsCountsForNeitherSideAndFreesTheTrial) {
  world.breaker = policy::Breaker({.cool_down = 1ms});
  trip();
  while (breaker() != policy::BreakerState::half_open) {
  }
  world.reranker.faults.delay = 10s;
  asio::io_context loop{1};
  asio::cancellation_signal signal;
  bool failed = false;
  const std::vector<std::string> texts(30, "text 1");
  asio::co_spawn(loop, rank_texts(world.inference, context, "which?", texts),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr thrown, const Ranked&) {
                       failed = thrown != nullptr;
                     }));
  asio::steady_timer timer(loop, 20ms);
  timer.async_wait([&](auto) { signal.emit(asio::cancellation_type::terminal); });
  loop.run();
  EXPECT_TRUE(failed);
  EXPECT_EQ(world.reranker.asked.size(), 1u);
  EXPECT_EQ(world.rerank_metrics.queue.Value(), 0);
  EXPECT_EQ(breaker(), policy::BreakerState::half_open);
  EXPECT_TRUE(world.breaker.allows(runtime::Clock::now()));
}

TEST_F(InferenceTest, EmbedsEveryTextInItsPlaceAndCountsTokens) {
  const auto embedded = embed({"red planet", "mars", "mars is the red planet", ""});
  ASSERT_EQ(embedded.vectors.size(), 4u);
  const float words[] = {2, 1, 5, 0};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(embedded.vectors[i][0], words[i]);
  EXPECT_EQ(embedded.tokens, 2u + 1 + 5 + 0 + 4 * 2);
  const auto& mars = world.embedder.batches.at(0).at(1);
  EXPECT_EQ(mars.token_ids, std::vector<std::int32_t>{7}) << "the word alone";
  EXPECT_EQ(mars.text, "mars");
}

TEST_F(InferenceTest, EmbedsManyTextsAFewAtATime) {
  EXPECT_EQ(embed(std::vector<std::string>(150, "mars")).vectors.size(), 150u);
  ASSERT_EQ(world.embedder.batches.size(), 3u);
  EXPECT_EQ(world.embedder.batches[0].size(), 64u);
  world.embedder.batches.clear();
  const std::string large(60'000, ' ');
  EXPECT_EQ(embed({large, large, "mars"}).vectors.size(), 3u);
  EXPECT_EQ(world.embedder.batches.size(), 2u) << "as much text as one stop allows";
}

TEST_F(InferenceTest, CutsATextToWhatTheEmbedderReads) {
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "mars ";
  EXPECT_EQ(embed({text}).tokens, limits::chunk_tokens_max + 2);
  const auto& input = world.embedder.batches.at(0).at(0);
  EXPECT_EQ(input.token_ids.size(), limits::chunk_tokens_max);
  EXPECT_EQ(input.text, text.substr(0, 5 * limits::chunk_tokens_max - 1));
}

TEST_F(InferenceTest, PassesOnWhyNothingCouldBeEmbedded) {
  world.embedder.faults.error = Error{Errc::timeout, "late"};
  EXPECT_EQ(code_of([&] { embed({"mars"}); }), Errc::timeout);
  world.embedder.faults.error.reset();
  world.embedder.answers = [](auto) { return std::vector<ports::Embedding>(); };
  EXPECT_EQ(code_of([&] { embed({"mars"}); }), Errc::internal);
  world.embedder.answers = [](auto vectors) {
    vectors[0][1] = std::numeric_limits<float>::infinity();
    return vectors;
  };
  EXPECT_EQ(code_of([&] { embed({"mars"}); }), Errc::internal);
  world.inference.tokenizer = nullptr;
  EXPECT_EQ(code_of([&] { embed({"mars"}); }), Errc::no_model);
}

TEST_F(InferenceTest, RefusesABatchThatCannotBeEmbeddedInTimeAsSoonAsThatIsClear) {
  world.embedder.faults.delay = 1100ms;
  context.deadline = runtime::Deadline::after(2s);
  const auto refusal_of = [&](std::size_t count) {
    try {
      embed(long_texts(count));
    } catch (const Failure& failed) {
      return failed.error();
    }
    return Error{Errc::internal, "not refused"};
  };
  const auto first = refusal_of(2'580);
  EXPECT_EQ(first.code, Errc::payload_too_large) << first.message;
  EXPECT_EQ(first.field, "/input");
  EXPECT_NE(first.message.find("2580 texts of 660480 tokens"), std::string::npos) << first.message;
  EXPECT_NE(first.message.find("send at most "), std::string::npos) << first.message;
  EXPECT_EQ(world.embedder.faults.calls, 1) << "the first call shows the pace";
  context.deadline = runtime::Deadline::after(2s);
  EXPECT_EQ(refusal_of(2'580).code, Errc::payload_too_large);
  EXPECT_EQ(world.embedder.faults.calls, 1) << "the pace is known";
  context.deadline = runtime::Deadline::after(10s);
  EXPECT_EQ(embed(long_texts(86)).vectors.size(), 86u);
  context.deadline = runtime::Deadline::after(500ms);
  EXPECT_EQ(refusal_of(86).code, Errc::overloaded) << "it fits, but not into what is left";
}

TEST(EmbedPace, FollowsTheLastCallsAndIgnoresSmallOnes) {
  EmbedPace pace;
  const runtime::Clock::time_point now{1h};
  EXPECT_FALSE(pace.time_for(1'000, now));
  pace.record(10, 1s, now);
  EXPECT_FALSE(pace.time_for(1'000, now)) << "a small call says little";
  pace.record(10'000, 1s, now);
  EXPECT_EQ(pace.time_for(20'000, now), runtime::Clock::duration(2s));
  pace.record(10'000, 2s, now);
  const auto slower = pace.time_for(10'000, now).value();
  EXPECT_GT(slower, 1s);
  EXPECT_LT(slower, 2s);
}

TEST(EmbedPace, ForgetsABusyMinuteInWhichAllElseWasRefused) {
  EmbedPace pace;
  const runtime::Clock::time_point now{1h};
  pace.record(1'000, 60s, now);
  EXPECT_TRUE(pace.time_for(1'000, now + EmbedPace::kept));
  EXPECT_FALSE(pace.time_for(1'000, now + EmbedPace::kept + 1ms));
  pace.record(1'000, 1s, now + 31s);
  EXPECT_EQ(pace.time_for(1'000, now + 31s), runtime::Clock::duration(1s));
}

}  // namespace
}  // namespace memseal::inference

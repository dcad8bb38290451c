#include "support/world.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

namespace memseal::query {
namespace {

using namespace std::chrono_literals;
using test::World;

struct Heard final : ResultSink {
  asio::awaitable<void> stage(const StageReport& report) override {
    stages.push_back(report);
    co_return;
  }
  asio::awaitable<void> result(const Hit& hit) override {
    texts.push_back(hit.passage.text());
    scores.push_back(hit.score);
    logits.push_back(hit.rerank_score);
    ranks.push_back(hit.rank);
    metas.push_back(hit.passage.meta_json());
    co_return;
  }
  std::vector<StageReport> stages;
  std::vector<std::string> texts, metas;
  std::vector<float> scores;
  std::vector<std::optional<float>> logits;
  std::vector<std::size_t> ranks;
};

struct AnswerTest : ::testing::Test {
  World world;
  Heard heard;
  Question asked;
  runtime::RequestContext context{"req-1", runtime::Deadline::after(10s)};

  AnswerTest() { asked.text = "where is it?"; }

  Summary ask(const std::string& user = "ada") {
    asio::io_context loop(1);
    std::exception_ptr failure;
    Summary summary;
    asio::co_spawn(loop, answer(world.query, context, world.tenant(user), asked, heard),
                   [&](std::exception_ptr thrown, Summary made) {
                     failure = thrown;
                     summary = made;
                   });
    loop.run();
    if (failure) std::rethrow_exception(failure);
    return summary;
  }
};

TEST_F(AnswerTest, GivesTheBestFewByTheRerankersOrder) {
  world.fill("ada", 10);
  asked.top_k = 3;
  const auto summary = ask();
  EXPECT_EQ(heard.texts, (std::vector<std::string>{"passage 9", "passage 8", "passage 7"}));
  EXPECT_EQ(heard.ranks, (std::vector<std::size_t>{1, 2, 3}));
  EXPECT_EQ(heard.logits.front(), 9.0f);
  EXPECT_FLOAT_EQ(heard.scores.front(), 1.0f / (1.0f + std::exp(-9.0f)));
  EXPECT_EQ(heard.metas.front(), R"({"page":9})");
  EXPECT_TRUE(summary.reranked);
  EXPECT_EQ(summary.reranked_count, 10u);
  EXPECT_EQ(summary.fallback, Fallback::none);
  EXPECT_EQ(summary.count, 3u);
  EXPECT_EQ(summary.candidates, 10u);
}

TEST_F(AnswerTest, ReportsEachStageOnceAndInOrder) {
  world.fill("ada", 5);
  world.embedder.faults.delay = 5ms;
  const auto summary = ask();
  ASSERT_EQ(heard.stages.size(), 4u);
  EXPECT_EQ(heard.stages[0].stage, Stage::embed);
  EXPECT_GE(heard.stages[0].took, 5ms);
  EXPECT_EQ(heard.stages[1].stage, Stage::search);
  EXPECT_EQ(heard.stages[1].count, 5u);
  EXPECT_EQ(heard.stages[2].stage, Stage::open);
  EXPECT_EQ(heard.stages[3].stage, Stage::rerank);
  EXPECT_EQ(heard.stages[3].status, StageStatus::ok);
  EXPECT_GE(summary.timings.total, summary.timings.embed + summary.timings.rerank);
}

TEST_F(AnswerTest, HandsFiltersAndCandidatesToTheSearch) {
  asked.filter.origins = {Origin::chat};
  asked.filter.tags = {"red"};
  asked.filter.doc_ids = {"a", "b"};
  asked.candidates = 17;
  ask();
  EXPECT_EQ(world.search.last_limit, 17u);
  EXPECT_EQ(world.search.last_filter.origins, asked.filter.origins);
  EXPECT_EQ(world.search.last_filter.tags, asked.filter.tags);
  EXPECT_EQ(world.search.last_filter.doc_ids, asked.filter.doc_ids);
}

TEST_F(AnswerTest, AnUnknownTenantGetsAnEmptyAnswerWithoutAModelCall) {
  const auto summary = ask("nobody");
  EXPECT_EQ(summary.count, 0u);
  EXPECT_FALSE(summary.reranked);
  EXPECT_EQ(summary.fallback, Fallback::none);
  EXPECT_EQ(world.reranker.faults.calls, 0);
}

// Each case: what is set up, and the reason that must be given.
struct FallbackCase {
  const char* name;
  void (*prepare)(World&, Question&);
  Fallback reason;

  friend void PrintTo(const FallbackCase& one, std::ostream* out) { *out << one.name; }
};

class FallbackTest : public AnswerTest, public ::testing::WithParamInterface<FallbackCase> {};

TEST_P(FallbackTest, KeepsTheSearchOrderAndSaysWhy) {
  world.fill("ada", 10);
  world.reranking.budget = 30ms;
  GetParam().prepare(world, asked);
  const auto summary = ask();
  EXPECT_FALSE(summary.reranked);
  EXPECT_EQ(summary.reranked_count, 0u);
  EXPECT_EQ(summary.fallback, GetParam().reason);
  EXPECT_EQ(world.rerank_metrics.partial.Value(), 0);
  ASSERT_EQ(heard.texts.size(), 8u);
  EXPECT_EQ(heard.texts[0], "passage 0");
  EXPECT_EQ(heard.texts[7], "passage 7");
  EXPECT_FALSE(heard.logits[0]);
  EXPECT_FLOAT_EQ(heard.scores[1], 0.99f);  // 1 - distance
  EXPECT_EQ(world.rerank_metrics.fallbacks(GetParam().reason).Value(), 1);
}

void not_requested(World&, Question& asked) { asked.rerank = false; }
void disabled(World& world, Question&) { world.flags.rerank_enabled = false; }
void no_model(World& world, Question&) { world.reranking.reranker = nullptr; }
void slow(World& world, Question&) { world.reranker.faults.delay = 10s; }
void late(World& world, Question&) {
  world.reranker.faults.error = Error{Errc::timeout, "late"};
}
void unavailable(World& world, Question&) {
  world.reranker.faults.error = Error{Errc::unavailable, "away"};
}
void broken(World& world, Question&) { world.reranker.faults.throws_unexpected = true; }
void none(World& world, Question&) {
  world.reranker.answers = [](const auto&) { return std::vector<float>(); };
}
void too_many(World& world, Question&) {
  world.reranker.answers = [](const auto& passages) {
    return std::vector<float>(passages.size() + 1, 1.0f);
  };
}
void not_a_number(World& world, Question&) {
  world.reranker.answers = [](const auto& passages) {
    return std::vector<float>(passages.size(), std::numeric_limits<float>::quiet_NaN());
  };
}
void guarded(World& world, Question&) { world.flags.guard_allows_queries = false; }
void tripped(World& world, Question&) {
  for (int call = 0; call < 3; ++call)
    world.breaker.record(runtime::Clock::now(), 1s, false);
}

INSTANTIATE_TEST_SUITE_P(
    Every, FallbackTest,
    ::testing::Values(FallbackCase{"NotRequested", not_requested, Fallback::not_requested},
                      FallbackCase{"Disabled", disabled, Fallback::disabled},
                      FallbackCase{"OffByTheGuard", guarded, Fallback::disabled},
                      FallbackCase{"NoModel", no_model, Fallback::no_model},
                      FallbackCase{"NeverAnswers", slow, Fallback::timeout},
                      FallbackCase{"SaysItIsLate", late, Fallback::timeout},
                      FallbackCase{"IsUnavailable", unavailable, Fallback::error},
                      FallbackCase{"Throws", broken, Fallback::error},
                      FallbackCase{"ScoresNone", none, Fallback::error},
                      FallbackCase{"ScoresTooMany", too_many, Fallback::error},
                      FallbackCase{"ScoresNotANumber", not_a_number, Fallback::error},
                      FallbackCase{"BreakerOpen", tripped, Fallback::breaker_open}),
    [](const auto& info) { return info.param.name; });

TEST_F(AnswerTest, StopsWaitingForASlowRerankerWithinItsBudget) {
  world.fill("ada", 3);
  world.reranker.faults.delay = 10s;
  world.reranking.budget = 50ms;
  const auto summary = ask();
  EXPECT_GE(summary.timings.rerank, 50ms);
  EXPECT_LT(summary.timings.rerank, 2s);
  EXPECT_EQ(world.reranker.faults.cancelled, 1);
  EXPECT_EQ(heard.stages.back().status, StageStatus::failed_open);
}

TEST_F(AnswerTest, GivesTheRerankerNoMoreThanTheRequestHasLeft) {
  world.fill("ada", 3);
  context.deadline = runtime::Deadline::after(100ms);
  ask();
  EXPECT_LE(world.reranker.last_deadline.at(), context.deadline.at());
}

TEST_F(AnswerTest, OpensTheBreakerAfterThreeBadCallsAndLeavesTheModelAlone) {
  world.fill("ada", 3);
  world.reranker.faults.error = Error{Errc::unavailable, "away"};
  for (int call = 0; call < 3; ++call) EXPECT_EQ(ask().fallback, Fallback::error);
  EXPECT_EQ(ask().fallback, Fallback::breaker_open);
  EXPECT_EQ(world.reranker.faults.calls, 3);
  EXPECT_EQ(world.rerank_metrics.circuit_open.Value(), 1);
}

TEST_F(AnswerTest, LeavesOutWhatDoesNotOpenAndCountsIt) {
  world.fill("ada", 3);
  auto& rows = world.search.rows[world.tenant("ada")];
  rows[0].text_cipher.back() ^= 1;                                  // damaged
  rows[1].text_cipher = {1, 2, 3};                                  // no blob at all
  rows.push_back(world.sealed(world.tenant("ada"), 3, "passage 3", {}, 7));
  world.keys.forgotten = {7};                                       // its key is gone
  const auto summary = ask();
  EXPECT_EQ(heard.texts, std::vector<std::string>{"passage 2"});
  EXPECT_EQ(summary.candidates, 4u);
  EXPECT_EQ(summary.opened, 1u);
  EXPECT_EQ(world.query_metrics.open_not_authentic.Value(), 1);
  EXPECT_EQ(world.query_metrics.open_not_a_blob.Value(), 1);
  EXPECT_EQ(world.query_metrics.open_key_missing.Value(), 1);
  EXPECT_EQ(world.query_metrics.cross_tenant_decrypt_attempts.Value(), 1);
  EXPECT_EQ(world.query_metrics.aad_mismatches.Value(), 1);
}

TEST_F(AnswerTest, NeverShowsARowThatWasSealedForAnotherTenant) {
  world.search.rows[world.tenant("ada")].push_back(
      world.sealed(world.tenant("bob"), 0, "bob's secret 0"));
  ask("ada");
  EXPECT_TRUE(heard.texts.empty());
  EXPECT_EQ(world.query_metrics.cross_tenant_decrypt_attempts.Value(), 1);
  EXPECT_EQ(world.query_metrics.aad_mismatches.Value(), 1);
}

TEST_F(AnswerTest, AsksForEachKeyGenerationOnce) {
  world.fill("ada", 5);
  auto& rows = world.search.rows[world.tenant("ada")];
  for (int i = 5; i < 9; ++i)
    rows.push_back(world.sealed(world.tenant("ada"), i, "passage " + std::to_string(i), {}, 2));
  ask();
  EXPECT_EQ(heard.texts.front(), "passage 8");
  EXPECT_EQ(world.keys.opened, 2);
}

TEST_F(AnswerTest, PassesAnOutageOfEachStageOn) {
  for (auto* faults : {&world.embedder.faults, &world.search.faults, &world.keys.faults}) {
    world.search.rows.clear();
    world.fill("ada", 1);
    faults->error = Error{Errc::unavailable, "away"};
    EXPECT_THROW(ask(), Outage);
    faults->error.reset();
  }
  EXPECT_EQ(world.query_metrics.failed.Value(), 3);
  EXPECT_EQ(world.query_metrics.response_time_ms.Collect().histogram.sample_count, 3u);
}

TEST_F(AnswerTest, CancelledWhileItReranksItEndsAtOnceAndLeavesTheBreakerClosed) {
  world.fill("ada", 3);
  world.reranker.faults.delay = 10s;
  world.reranking.budget = 10s;
  asio::io_context loop(1);
  asio::cancellation_signal signal;
  std::exception_ptr failure;
  asio::co_spawn(loop, answer(world.query, context, world.tenant("ada"), asked, heard),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr thrown,
                                                                 Summary) { failure = thrown; }));
  asio::steady_timer timer(loop, 20ms);
  timer.async_wait([&](auto) { signal.emit(asio::cancellation_type::terminal); });
  const auto start = runtime::Clock::now();
  loop.run();
  EXPECT_LT(runtime::Clock::now() - start, 5s);
  EXPECT_TRUE(failure);
  EXPECT_TRUE(heard.texts.empty());
  EXPECT_EQ(world.query_metrics.cancelled.Value(), 1);
  EXPECT_EQ(world.query_metrics.failed.Value(), 0);
  EXPECT_EQ(world.breaker.state(runtime::Clock::now()), policy::BreakerState::closed);
}

TEST_F(AnswerTest, ObservesDurationsForTheDashboards) {
  world.fill("ada", 3);
  ask();
  const auto text = world.metrics.render();
  for (const char* line : {"memseal_query_duration_seconds_count 1",
                           "memseal_query_ttfv_seconds_count 1",
                           "memory_query_response_time_ms_count 1",
                           "memory_query_response_time_ms_bucket{le=\"50\"} ",
                           "memory_query_response_time_ms_bucket{le=\"100\"} ",
                           "memory_query_response_time_ms_bucket{le=\"150\"} ",
                           "memory_query_response_time_ms_bucket{le=\"200\"} ",
                           "memory_query_response_time_ms_bucket{le=\"250\"} ",
                           "memory_query_response_time_ms_bucket{le=\"400\"} ",
                           "memory_query_response_time_ms_bucket{le=\"800\"} ",
                           "memory_query_response_time_ms_bucket{le=\"1500\"} ",
                           "memory_query_response_time_ms_bucket{le=\"3000\"} ",
                           "memseal_query_stage_duration_seconds_count{stage=\"embed\"} 1",
                           "memseal_query_stage_duration_seconds_count{stage=\"rerank\"} 1",
                           "memseal_queries_total{outcome=\"answered\"} 1",
                           "memseal_rerank_fallback_total{reason=\"none\"} 1",
                           "memseal_rerank_duration_seconds_count 1",
                           "memseal_rerank_batch_size_bucket{le=\"4\"} 1",
                           "memseal_rerank_queue_length 0"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

}  // namespace
}  // namespace memseal::query

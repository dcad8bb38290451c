// Texts of several requests in one batch.
#include "adapters/model/schedule/embed_queue.hpp"
#include "adapters/model/cpu_embedder.hpp"
#include "adapters/model/schedule/model_pool.hpp"
#include "watched_model.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <numeric>

namespace memseal::model {
namespace {

using namespace std::chrono_literals;
using runtime::Deadline;

/// What became of one call.
struct Outcome {
  bool ended = false;
  std::exception_ptr failure;
  std::vector<ports::Embedding> vectors;
  asio::cancellation_signal leave;

  void take(std::exception_ptr thrown) {
    ended = true;
    failure = thrown;
  }
  Errc code() const {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const Failure& failed) {
      return failed.error().code;
    } catch (const std::exception&) {
    }
    return Errc::bad_config;
  }
};

/// An embedder on one thread, which is held until release().
class JoinedCalls : public ::testing::Test {
 protected:
  JoinedCalls() {
    auto entered = std::make_shared<std::promise<void>>();
    asio::post(pool.threads(), [entered, opened = gate.get_future().share()] {
      entered->set_value();
      opened.wait();
    });
    entered->get_future().wait();
  }
  ~JoinedCalls() override {
    if (held) release();
    pool.join();
  }

  void release() {
    held = false;
    gate.set_value();
  }
  void ask(Outcome& to, const std::string& text, Deadline deadline = Deadline::never()) {
    asio::co_spawn(loop, embedder.embed_query({"r", deadline}, text),
                   asio::bind_cancellation_slot(
                       to.leave.slot(), [&to](std::exception_ptr failure, ports::QueryVector got) {
                         to.take(failure);
                         to.vectors.push_back(std::move(got.values));
                       }));
    loop.restart();
    loop.poll();
  }
  void embed(Outcome& to, std::vector<ports::EmbedInput> inputs) {
    asio::co_spawn(loop, embedder.embed({}, std::move(inputs)),
                   asio::bind_cancellation_slot(
                       to.leave.slot(),
                       [&to](std::exception_ptr failure, std::vector<ports::Embedding> got) {
                         to.take(failure);
                         to.vectors = std::move(got);
                       }));
    loop.restart();
    loop.poll();
  }
  void await(const Outcome& outcome) {
    const auto until = runtime::Clock::now() + 60s;
    while (!outcome.ended && runtime::Clock::now() < until) {
      loop.restart();
      loop.run_one_for(50ms);
    }
    ASSERT_TRUE(outcome.ended);
  }
  /// By itself, past every queue.
  ports::Embedding alone(const std::vector<std::int32_t>& ids) {
    PackedBatch batch;
    batch.add(ids);
    ports::Embedding out(watched.model->config.hidden);
    EXPECT_TRUE(watched.encoder->real->embed(batch, [] { return true; }, out));
    return out;
  }
  ports::Embedding alone(const std::string& text) {
    return alone(watched.model->tokenizer.encode_single(text, watched.model->info.tokens_max));
  }
  static void expect_near(const ports::Embedding& got, const ports::Embedding& wanted) {
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5) << i;
  }

  testing::WatchedModel watched = testing::watched_model(
      {.hidden = 64, .layers = 2, .heads = 2, .intermediate = 96, .positions = 128});
  ModelPool pool{1};
  asio::io_context loop{1};
  CpuEmbedder embedder{watched.model, pool};
  std::promise<void> gate;
  bool held = true;
};

const std::vector<std::string> questions{"the red planet is mars?", "a", "", "the the the b c d.",
                                         "mars, mars, mars"};

TEST_F(JoinedCalls, QuestionsThatWaitTogetherAreOneBatch) {
  std::deque<Outcome> outcomes(questions.size());
  for (std::size_t i = 0; i < questions.size(); ++i) ask(outcomes[i], questions[i]);
  release();
  for (std::size_t i = 0; i < questions.size(); ++i) {
    await(outcomes[i]);
    ASSERT_FALSE(outcomes[i].failure);
    expect_near(outcomes[i].vectors.at(0), alone(questions[i]));
  }
  ASSERT_EQ(watched.encoder->calls().size(), 1u);
  EXPECT_EQ(watched.encoder->calls()[0].size(), questions.size());
}

TEST_F(JoinedCalls, ALoneQuestionWaitsForNobody) {
  release();
  for (const auto& question : questions) {
    Outcome outcome;
    ask(outcome, question);
    await(outcome);
    expect_near(outcome.vectors.at(0), alone(question));
  }
  EXPECT_EQ(watched.encoder->calls().size(), questions.size());
}

TEST_F(JoinedCalls, ABatchIsBounded) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "mars the ";
  std::deque<Outcome> outcomes(20);
  for (auto& outcome : outcomes) ask(outcome, text);
  release();
  const auto wanted = alone(text);
  for (auto& outcome : outcomes) {
    await(outcome);
    expect_near(outcome.vectors.at(0), wanted);
  }
  const auto calls = watched.encoder->calls();
  EXPECT_EQ(calls.size(), 5u) << "four of 128 tokens at a time";
  for (const auto& lengths : calls)
    EXPECT_LE(std::accumulate(lengths.begin(), lengths.end(), std::size_t(0)), joined_tokens);
}

TEST_F(JoinedCalls, FewChunksOfSeveralCallsAreOneBatch) {
  const auto input = [](std::int32_t id, std::size_t count) {
    return ports::EmbedInput{std::vector<std::int32_t>(count, id), ""};
  };
  const auto sequence = [&](const ports::EmbedInput& of) {
    std::vector<std::int32_t> ids{watched.model->tokenizer.cls_id()};
    ids.insert(ids.end(), of.token_ids.begin(), of.token_ids.end());
    ids.push_back(watched.model->tokenizer.sep_id());
    return ids;
  };
  const std::vector<std::vector<ports::EmbedInput>> calls{
      {input(7, 30), input(8, 3)}, {input(9, 100)}, {input(10, 0), input(11, 64), input(12, 5)}};
  std::deque<Outcome> outcomes(calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) embed(outcomes[i], calls[i]);
  release();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    await(outcomes[i]);
    ASSERT_EQ(outcomes[i].vectors.size(), calls[i].size());
    for (std::size_t k = 0; k < calls[i].size(); ++k)
      expect_near(outcomes[i].vectors[k], alone(sequence(calls[i][k])));
  }
  ASSERT_EQ(watched.encoder->calls().size(), 1u);
  EXPECT_EQ(watched.encoder->calls()[0].size(), 6u);
}

TEST_F(JoinedCalls, OneWhoLeavesIsLeftOutAndDoesNotEndTheOthers) {
  std::deque<Outcome> outcomes(3);
  for (std::size_t i = 0; i < 3; ++i) ask(outcomes[i], questions[i]);
  outcomes[1].leave.emit(asio::cancellation_type::terminal);
  await(outcomes[1]);
  EXPECT_TRUE(outcomes[1].failure);
  release();
  for (const std::size_t i : {0u, 2u}) {
    await(outcomes[i]);
    ASSERT_FALSE(outcomes[i].failure);
    expect_near(outcomes[i].vectors.at(0), alone(questions[i]));
  }
  ASSERT_EQ(watched.encoder->calls().size(), 1u);
  EXPECT_EQ(watched.encoder->calls()[0].size(), 2u);
}

TEST_F(JoinedCalls, OneWhoseDeadlinePassedIsLeftOut) {
  std::deque<Outcome> outcomes(3);
  ask(outcomes[0], questions[0], Deadline::after(60s));
  ask(outcomes[1], questions[1], Deadline::after(20ms));
  ask(outcomes[2], questions[3]);
  await(outcomes[1]);
  EXPECT_EQ(outcomes[1].code(), Errc::timeout);
  release();
  for (const std::size_t i : {0u, 2u}) {
    await(outcomes[i]);
    EXPECT_FALSE(outcomes[i].failure);
  }
  EXPECT_EQ(watched.encoder->calls().at(0).size(), 2u);
}

TEST_F(JoinedCalls, ABatchEndsEarlyOnlyWhenAllItsCallersLeft) {
  for (const std::size_t leaving : {1u, 2u}) {
    std::deque<Outcome> outcomes(2);
    std::promise<void> entered, left;
    std::promise<bool> goes_on;
    watched.encoder->before = [&](std::size_t, const ShouldContinue& should_continue) {
      entered.set_value();
      left.get_future().wait();
      goes_on.set_value(should_continue());
    };
    for (std::size_t i = 0; i < 2; ++i) ask(outcomes[i], questions[i]);
    if (held) release();
    entered.get_future().wait();
    for (std::size_t i = 0; i < leaving; ++i) {
      outcomes[i].leave.emit(asio::cancellation_type::terminal);
      await(outcomes[i]);
    }
    left.set_value();
    EXPECT_EQ(goes_on.get_future().get(), leaving == 1);
    await(outcomes[1]);
    EXPECT_EQ(outcomes[1].failure == nullptr, leaving == 1);
  }
}

TEST_F(JoinedCalls, AVectorThatIsNotFiniteFailsItsOwnCallOnly) {
  watched.encoder->after = [&](const PackedBatch&, std::span<float> out) {
    const auto width = static_cast<std::ptrdiff_t>(watched.model->config.hidden);
    std::fill_n(out.begin() + width, width, std::numeric_limits<float>::quiet_NaN());
  };
  std::deque<Outcome> outcomes(3);
  for (std::size_t i = 0; i < 3; ++i) ask(outcomes[i], questions[i]);
  release();
  for (auto& outcome : outcomes) await(outcome);
  EXPECT_EQ(outcomes[1].code(), Errc::internal);
  EXPECT_FALSE(outcomes[0].failure);
  EXPECT_FALSE(outcomes[2].failure);
}

}  // namespace
}  // namespace memseal::model

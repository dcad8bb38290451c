#include "adapters/model/checkpoint/bert_tensors.hpp"
#include "adapters/model/cpu/encoder_cpu.hpp"
#include "adapters/model/cpu/reference_encoder.hpp"
#include "random_bert.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>

namespace memseal::model {
namespace {

using testing::always;
using testing::batch_of;
using testing::ModelSpec;
using testing::random_ids;

struct CpuBert : testing::RandomBert {
  using RandomBert::RandomBert;
  std::unique_ptr<Encoder> cpu() const { return make_cpu_encoder(config, tensors); }
};

std::vector<float> run(const Encoder& encoder, const CpuBert& bert, const PackedBatch& batch) {
  return bert.run(encoder, batch);
}

void expect_close(const std::vector<float>& got, const std::vector<float>& wanted, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::isfinite(got[i]) ? std::max(worst, std::abs(double(got[i]) - wanted[i])) : 1e9;
  EXPECT_LE(worst, tolerance) << what;
}

ModelSpec tiny(Architecture architecture) {
  return {.architecture = architecture, .hidden = 128, .layers = 2, .heads = 2,
          .intermediate = 512};
}

ModelSpec odd(Architecture architecture) {
  return {.architecture = architecture, .hidden = 36, .layers = 3, .heads = 3, .intermediate = 50};
}

const std::vector<std::size_t> odd_lengths{2, 3, 7, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511,
                                           512};

void expect_reference(const ModelSpec& spec, const std::vector<std::size_t>& lengths) {
  const CpuBert bert(spec);
  const auto cpu = bert.cpu(), reference = bert.reference();
  for (const auto length : lengths) {
    const auto batch = batch_of({length}, spec.rows);
    expect_close(run(*cpu, bert, batch), run(*reference, bert, batch), 1e-4,
                 std::to_string(length) + " tokens, hidden " + std::to_string(spec.hidden));
  }
}

TEST(CpuEncoder, MatchesTheReferenceAtOddLengths) {
  expect_reference(odd(Architecture::encoder), odd_lengths);
  expect_reference(odd(Architecture::cross_encoder), odd_lengths);
  expect_reference(tiny(Architecture::encoder), {2, 65, 129, 256});
  expect_reference(tiny(Architecture::cross_encoder), {2, 65, 129, 512});
}

TEST(CpuEncoder, MatchesTheReferenceInBatches) {
  for (const auto architecture : {Architecture::encoder, Architecture::cross_encoder}) {
    const CpuBert bert(odd(architecture));
    const auto cpu = bert.cpu(), reference = bert.reference();
    for (const std::size_t count : {1u, 2u, 24u, 32u}) {
      std::vector<std::size_t> lengths(count);
      for (std::size_t i = 0; i < count; ++i) lengths[i] = 2 + (i * 37) % 90;
      const auto batch = batch_of(lengths, bert.spec.rows);
      expect_close(run(*cpu, bert, batch), run(*reference, bert, batch), 1e-4,
                   std::to_string(count) + " sequences");
    }
    const auto mixed = batch_of(odd_lengths, bert.spec.rows);
    expect_close(run(*cpu, bert, mixed), run(*reference, bert, mixed), 1e-4, "mixed lengths");
  }
}

TEST(CpuEncoder, EveryInstructionSetMatchesTheReference) {
  for (const auto* kernels : runnable_vector_ops()) {
    const CpuBert bert(tiny(Architecture::cross_encoder));
    const auto cpu = make_cpu_encoder(bert.config, bert.tensors, *kernels);
    EXPECT_NE(cpu->isa().find(kernels->isa), std::string_view::npos) << cpu->isa();
    const auto batch = batch_of({2, 33, 100}, bert.spec.rows);
    expect_close(run(*cpu, bert, batch), run(*bert.reference(), bert, batch), 1e-4, kernels->isa);
  }
}

TEST(CpuEncoder, OneLayerOfACrossEncoderIsItsLast) {
  auto spec = odd(Architecture::cross_encoder);
  spec.layers = 1;
  const CpuBert bert(spec);
  const auto batch = batch_of({5, 70, 2}, spec.rows);
  expect_close(run(*bert.cpu(), bert, batch), run(*bert.reference(), bert, batch), 1e-4, "1 layer");
}

// Rounding factors to 8 bits moves a sum of n products by about 2^-9 sqrt(n) of one of them.
TEST(CpuEncoder, InBf16ItStaysNearTheReferenceOrSaysThatTheMachineCannot) {
  for (const auto architecture : {Architecture::encoder, Architecture::cross_encoder}) {
    const CpuBert bert(tiny(architecture));
    const auto make = [&] {
      return make_cpu_encoder(bert.config, bert.tensors, best_vector_ops(), Precision::bf16);
    };
    if (runnable_vector_ops().front() != &vector_ops_avx512) {
      EXPECT_THROW((void)make(), std::exception);
      continue;
    }
    const auto cpu = make();
    EXPECT_NE(cpu->isa().find("bf16"), std::string_view::npos) << cpu->isa();
    for (const std::size_t length : {2u, 17u, 129u, 300u}) {
      const auto batch = batch_of({length, 5, 64}, bert.spec.rows);
      const auto got = run(*cpu, bert, batch), wanted = run(*bert.reference(), bert, batch);
      expect_close(got, wanted, architecture == Architecture::encoder ? 0.01 : 0.1,
                   std::to_string(length) + " tokens");
      EXPECT_NE(got, wanted) << "rounded factors must show";
    }
  }
}

TEST(CpuEncoder, InInt8EveryInstructionSetGivesTheSameScores) {
  const CpuBert bert(odd(Architecture::cross_encoder));
  const auto batch = batch_of({2, 33, 100}, bert.spec.rows);
  const auto with = [&](const Int8Ops* ops) {
    const auto cpu =
        make_cpu_encoder(bert.config, bert.tensors, vector_ops_baseline, Precision::int8, ops);
    EXPECT_NE(cpu->isa().find("int8"), std::string_view::npos) << cpu->isa();
    return run(*cpu, bert, batch);
  };
  for (const auto* ops : runnable_int8_ops()) EXPECT_EQ(with(ops), with(&int8_ops_portable));
}

/// The places of the best `count` scores, best first.
std::vector<std::size_t> best_of(const std::vector<float>& scores, std::size_t count) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

/// How far int8 moves logits, and how often the best 8 of 24 are others although the 8th and the
/// 9th are further apart than `gate`.
struct Moved {
  double worst = 0;
  int separated = 0, agreed = 0;
};

Moved in_int8(const ModelSpec& spec, double gate, int trials, std::size_t length) {
  Moved moved;
  const CpuBert bert(spec);
  const auto exact = bert.cpu();
  const auto ops = fast_int8_ops() != nullptr ? fast_int8_ops() : &int8_ops_portable;
  const auto rounded =
      make_cpu_encoder(bert.config, bert.tensors, best_vector_ops(), Precision::int8, ops);
  for (int trial = 0; trial < trials; ++trial) {
    PackedBatch batch;
    for (unsigned i = 0; i < 24; ++i)
      batch.add(random_ids(length, spec.rows, static_cast<unsigned>(trial) * 24 + i), 12);
    const auto wanted = run(*exact, bert, batch), got = run(*rounded, bert, batch);
    for (std::size_t i = 0; i < got.size(); ++i)
      moved.worst = std::max(moved.worst, std::abs(double(got[i]) - wanted[i]));
    auto sorted = wanted;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    if (sorted[7] - sorted[8] <= gate) continue;
    ++moved.separated;
    moved.agreed += best_of(got, 8) == best_of(wanted, 8);
  }
  return moved;
}

// The gates of rerank.precision int8 on random weights. A published model is checked on its own
// (golden_test.cpp).
TEST(CpuEncoder, InInt8LogitsStayNearAndTheBestEightOfTwentyFourTheSame) {
  constexpr double gate = 0.2;
  const auto tinybert = in_int8(tiny(Architecture::cross_encoder), gate, 60, 24);
  EXPECT_LE(tinybert.worst, gate);
  EXPECT_GE(tinybert.separated, 5);
  EXPECT_GE(tinybert.agreed, 0.99 * tinybert.separated);
  const auto minilm = in_int8({.architecture = Architecture::cross_encoder,
                               .hidden = 384,
                               .layers = 6,
                               .heads = 12,
                               .intermediate = 1536},
                              gate, 2, 24);
  EXPECT_LE(minilm.worst, gate);
  EXPECT_GE(minilm.agreed, 0.99 * minilm.separated);
  std::printf("int8: TinyBERT %.3f, %d of %d; MiniLM %.3f, %d of %d\n", tinybert.worst,
              tinybert.agreed, tinybert.separated, minilm.worst, minilm.agreed, minilm.separated);
}

TEST(CpuEncoder, ASequenceDoesNotFeelItsNeighbours) {
  for (const auto architecture : {Architecture::encoder, Architecture::cross_encoder}) {
    const CpuBert bert(tiny(architecture));
    const auto cpu = bert.cpu();
    const std::vector<std::size_t> lengths{9, 200, 2, 64, 31, 500, 17, 17};
    const auto together = batch_of(lengths, bert.spec.rows);
    const auto all = run(*cpu, bert, together);
    const auto width = all.size() / lengths.size();
    std::vector<std::size_t> order(lengths.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(3));
    PackedBatch shuffled;
    for (const auto i : order) shuffled.add(together.tokens(i), together.segment_b[i]);
    const auto mixed = run(*cpu, bert, shuffled);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto at = [&](const std::vector<float>& from, std::size_t k) {
        return std::vector<float>(from.begin() + static_cast<std::ptrdiff_t>(k * width),
                                  from.begin() + static_cast<std::ptrdiff_t>((k + 1) * width));
      };
      PackedBatch alone;
      alone.add(together.tokens(order[i]), together.segment_b[order[i]]);
      expect_close(at(mixed, i), at(all, order[i]), 2e-5, "shuffled");
      expect_close(run(*cpu, bert, alone), at(all, order[i]), 2e-5, "alone");
    }
  }
}

TEST(CpuEncoder, SegmentsAndThePoolerMatter) {
  const CpuBert bert(tiny(Architecture::cross_encoder));
  const auto cpu = bert.cpu();
  const auto ids = random_ids(20, bert.spec.rows, 5);
  PackedBatch one, two;
  one.add(ids, 20);
  two.add(ids, 8);
  EXPECT_GT(std::abs(run(*cpu, bert, one)[0] - run(*cpu, bert, two)[0]), 1e-3);
}

TEST(CpuEncoder, AllTokensTheSame) {
  const CpuBert bert(tiny(Architecture::encoder));
  PackedBatch batch;
  batch.add(std::vector<std::int32_t>(200, 7));
  expect_close(run(*bert.cpu(), bert, batch), run(*bert.reference(), bert, batch), 1e-4, "same");
}

TEST(CpuEncoder, EmbeddingsHaveNormOne) {
  const CpuBert bert(odd(Architecture::encoder));
  const auto out = run(*bert.cpu(), bert, batch_of({4, 90, 300}, bert.spec.rows));
  for (std::size_t i = 0; i < 3; ++i) {
    double square = 0;
    for (std::size_t k = 0; k < bert.config.hidden; ++k)
      square += std::pow(out[i * bert.config.hidden + k], 2);
    EXPECT_NEAR(square, 1, 1e-5);
  }
}

TEST(CpuEncoder, EndsWhenItIsTold) {
  const CpuBert bert(tiny(Architecture::cross_encoder));
  const auto cpu = bert.cpu();
  const auto batch = batch_of({200, 200, 200, 200}, bert.spec.rows);
  std::vector<float> out(4);
  int asked = 0;
  EXPECT_FALSE(cpu->score(batch, [&] { return ++asked < 3; }, out));
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(cpu->score(batch, [&] { return ++asked, true; }, out));
}

TEST(CpuEncoder, ManyThreadsAtOnceGetTheSameAnswer) {
  const CpuBert bert(tiny(Architecture::cross_encoder));
  const auto cpu = bert.cpu();
  const auto batch = batch_of({12, 130, 256, 40}, bert.spec.rows);
  const auto wanted = run(*cpu, bert, batch);
  std::vector<std::vector<float>> answers(4, std::vector<float>(4));
  std::vector<std::jthread> threads;
  for (auto& answer : answers)
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) cpu->score(batch, always, answer);
    });
  threads.clear();
  for (const auto& answer : answers) EXPECT_EQ(answer, wanted);
}

TEST(CpuEncoder, ReadsHalfPrecisionWeights) {
  for (const std::string dtype : {"F16", "BF16"}) {
    auto spec = tiny(Architecture::encoder);
    spec.dtype = dtype;
    const CpuBert bert(spec);
    const auto batch = batch_of({3, 50}, spec.rows);
    expect_close(run(*bert.cpu(), bert, batch), run(*bert.reference(), bert, batch), 1e-4, dtype);
    spec.dtype = "F32";
    const CpuBert full(spec);
    expect_close(run(*bert.cpu(), bert, batch), run(*full.cpu(), full, batch),
                 dtype == "F16" ? 0.01 : 0.06, dtype + " against F32");
  }
}

TEST(CpuEncoderDeath, RefusesIdsOutsideTheVocabulary) {
  const CpuBert bert(odd(Architecture::encoder));
  const auto cpu = bert.cpu();
  PackedBatch batch;
  batch.add(std::vector<std::int32_t>{1, static_cast<std::int32_t>(bert.spec.rows)});
  std::vector<float> out(bert.config.hidden);
  EXPECT_DEATH(cpu->embed(batch, always, out), "vocabulary");
  batch = PackedBatch();
  batch.add(std::vector<std::int32_t>{1, -1});
  EXPECT_DEATH(cpu->embed(batch, always, out), "vocabulary");
}

}  // namespace
}  // namespace memseal::model

// The whole pass against a BERT in double precision: on every device there is, and on the plain
// twins, which are fast enough for many sizes.
#include "forward.hpp"
#include "bert_reference.hpp"
#include "lane.hpp"

#include <algorithm>

namespace memseal::kernels {
namespace {

// The error that rounding the states to fp16 alone causes in a model of this size, with some room.
// A logit is a sum of `hidden` numbers of about one.
constexpr double logit_gate = 0.02, vector_gate = 3e-3;

EngineOptions quick() {
  EngineOptions options;
  options.warm = false;
  options.lanes = 1;
  options.batch_tokens = 512;
  options.patience_ms = 60'000;
  return options;
}

void expect_scores(std::shared_ptr<Device> device, const Shape& shape,
                   const std::vector<std::vector<std::size_t>>& batches) {
  const RandomBert bert(shape);
  Engine engine(std::move(device), shape, bert.reader(), quick());
  Random random(5);
  for (const auto& lengths : batches) {
    const auto batch = draw_batch(random, shape, lengths);
    const auto got = engine.run(batch), wanted = bert.run(batch);
    ASSERT_EQ(got.size(), wanted.size());
    if (shape.cross_encoder) {
      for (std::size_t i = 0; i < got.size(); ++i)
        EXPECT_NEAR(got[i], wanted[i], logit_gate) << lengths[i] << " tokens";
    } else {
      EXPECT_LE(relative_error(got, wanted, got.size()), vector_gate) << lengths.front();
    }
  }
}

std::vector<std::size_t> drawn(std::size_t count, std::size_t most) {
  Random random(static_cast<unsigned>(count));
  std::vector<std::size_t> lengths(count);
  for (auto& length : lengths) length = 1 + random.below(most);
  return lengths;
}

const std::vector<std::vector<std::size_t>> odd{{1},  {2}, {7}, {63, 64, 65}, {127, 128, 129},
                                                {257}};

TEST(Forward, LogitsAreTheReferencesForOddLengths) {
  expect_scores(std::make_shared<HostDevice>(), tiny_shape(true), odd);
  expect_scores(std::make_shared<HostDevice>(), tiny_shape(true, 1, 64), odd);
}

TEST(Forward, VectorsAreTheReferencesForOddLengths) {
  expect_scores(std::make_shared<HostDevice>(), tiny_shape(false), odd);
}

TEST(Forward, LongSequencesAndBatchesOfEverySizeAreTheReferences) {
  expect_scores(std::make_shared<HostDevice>(), tiny_shape(true),
                {{512}, {511}, drawn(24, 40), drawn(32, 40)});
}

TEST(Forward, OneLayerIsEnough) {
  auto shape = tiny_shape(true);
  shape.layers = 1;
  expect_scores(std::make_shared<HostDevice>(), shape, {{5, 9}});
}

class ForwardOn : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Device, ForwardOn, testing::ValuesIn(device_kinds()),
                         [](const auto& kind) {
                           return kind.param == "cuda" ? std::string("gpu_cuda") : kind.param;
                         });

TEST_P(ForwardOn, TheKernelsTogetherAreTheReference) {
  expect_scores(make_device(GetParam()), tiny_shape(true), {{1, 7, 65}});
  expect_scores(make_device(GetParam()), tiny_shape(true, 1, 64), {{33}});
  expect_scores(make_device(GetParam()), tiny_shape(false), {{3, 17}});
}

TEST(Forward, TheSameSequenceScoresTheSameAloneAndInAnyOrderOfABatch) {
  const auto shape = tiny_shape(true);
  const RandomBert bert(shape);
  Engine engine(std::make_shared<HostDevice>(), shape, bert.reader(), quick());
  Random random(9);
  const auto batch = draw_batch(random, shape, drawn(12, 30));
  const auto together = engine.run(batch);
  for (std::size_t i = batch.size(); i-- > 0;)
    EXPECT_EQ(engine.run(only(batch, i)), std::vector<float>{together[i]}) << i;
}

// A batch does not see what the batch before left in memory: every bucket, with the arena full of
// NaN.
TEST(Forward, EveryBucketsEdgeAnswersAsIfItWereAlone) {
  auto shape = tiny_shape(true);
  shape.layers = 1;
  const RandomBert bert(shape);
  Engine engine(std::make_shared<HostDevice>(), shape, bert.reader(), quick());
  Random random(13);
  const auto probe = draw_batch(random, shape, {11});
  const auto alone = engine.run(probe);
  for (const std::size_t tokens : {127, 128, 129, 255, 256, 257, 383, 384, 385}) {
    std::vector<std::size_t> lengths{11};
    for (auto left = tokens - 11; left > 0; left -= std::min<std::size_t>(left, 100))
      lengths.push_back(std::min<std::size_t>(left, 100));
    auto batch = draw_batch(random, shape, lengths);
    std::copy(probe.ids.begin(), probe.ids.end(), batch.ids.begin());
    batch.segment_b[0] = probe.segment_b[0];
    EXPECT_EQ(engine.run(batch)[0], alone[0]) << tokens;
  }
}

TEST(Bucket, HoldsWhatItIsForAndWastesLittle) {
  for (std::size_t tokens = 1; tokens <= 20'000; ++tokens) {
    const auto bucket = bucket_of(tokens, 24);
    ASSERT_GE(bucket.tokens, tokens);
    ASSERT_EQ(bucket.sequences, 32u);
    ASSERT_EQ(bucket_of(bucket.tokens, 24), bucket) << "a bucket is its own";
    if (tokens > 1'024) {
      ASSERT_LE(bucket.tokens, tokens + tokens / 8) << tokens;
    }
  }
  for (std::size_t count = 1; count <= 128; ++count) {
    ASSERT_GE(bucket_of(1, count).sequences, count);
    ASSERT_LT(bucket_of(1, count).sequences, 8 * count);
  }
}

TEST(Block, TellsTheKernelsWhereEverythingIs) {
  Batch one, two;
  one.ids = {5, 6, 7};
  one.starts = {0, 3};
  one.segment_b = {2};
  Random random(1);
  two = draw_batch(random, tiny_shape(true), {4, 70, 2});
  const std::vector<Slice> slices{{&one, 0, 1}, {&two, 1, 3}};
  const Bucket bucket = bucket_of(75, 3);
  const BlockLayout layout(bucket);
  std::vector<std::byte> block(layout.bytes, std::byte{0xff});
  fill_block(block.data(), bucket, slices);
  BatchCounts counts;
  std::memcpy(&counts, block.data() + layout.counts, sizeof counts);
  EXPECT_EQ(counts.tokens, 75);
  EXPECT_EQ(counts.sequences, 3);
  EXPECT_EQ(counts.tiles, 4);
  const auto* const starts = reinterpret_cast<const std::int32_t*>(block.data() + layout.starts);
  EXPECT_EQ(std::vector<std::int32_t>(starts, starts + 4),
            (std::vector<std::int32_t>{0, 3, 73, 75}));
  const auto* const tiles = reinterpret_cast<const std::int32_t*>(block.data() + layout.tiles);
  EXPECT_EQ(std::vector<std::int32_t>(tiles, tiles + 5),
            (std::vector<std::int32_t>{0, 1 << 16, 1 << 16 | 1, 2 << 16, 0}));
  const auto* const ids = reinterpret_cast<const std::int32_t*>(block.data() + layout.ids);
  EXPECT_EQ(ids[1], 6);
  EXPECT_EQ(ids[2], static_cast<std::int32_t>(7u | 0x80000000u));
  EXPECT_EQ(ids[bucket.tokens - 1], 0) << "rows beyond the batch are a word too";
  const auto* const at = reinterpret_cast<const std::uint16_t*>(block.data() + layout.positions);
  EXPECT_EQ(at[2], 2);
  EXPECT_EQ(at[3], 0);
  EXPECT_EQ(at[72], 69);
  EXPECT_EQ(at[73], 0);
}

TEST(GraphCacheTest, KeepsWhatWasUsedLast) {
  GraphCache cache(2);
  const auto made = [] { return std::make_unique<Graph>(); };
  const auto* const first = &cache.keep({128, 1}, made());
  cache.keep({256, 1}, made());
  EXPECT_EQ(cache.find({128, 1}), first);
  cache.keep({128, 2}, made());
  EXPECT_EQ(cache.find({256, 1}), nullptr) << "it was not used for longest";
  EXPECT_EQ(cache.find({128, 1}), first);
  EXPECT_NE(cache.find({128, 2}), nullptr) << "another number of sequences is another graph";
  EXPECT_EQ(cache.size(), 2u);
}

TEST(ShapeTest, WhatTheKernelsDoNotComputeIsRefusedWithItsReason) {
  const auto refused = [](auto change, const std::string& why) {
    auto shape = tiny_shape(true);
    change(shape);
    try {
      check_shape(shape);
      ADD_FAILURE() << "accepted: " << why;
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.fault(), Fault::unsupported);
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
  };
  EXPECT_NO_THROW(check_shape(tiny_shape(true)));
  EXPECT_NO_THROW(check_shape(tiny_shape(false, 16, 64)));
  refused(
      [](Shape& s) {
        s.heads = 1;
        s.hidden = 48;
      },
      "heads of 48");
  refused(
      [](Shape& s) {
        s.heads = 17;
        s.hidden = 17 * 64;
      },
      "hidden size of 1088");
  refused([](Shape& s) { s.intermediate = 130; }, "intermediate size of 130");
  refused([](Shape& s) { s.positions = 1'024; }, "sequences of 1024");
  refused([](Shape& s) { s.layers = 0; }, "without layers");
}

TEST(Weights, APartOfAnotherSizeIsRefusedAndGivesItsMemoryBack) {
  const auto shape = tiny_shape(true);
  const RandomBert bert(shape);
  const auto device = std::make_shared<HostDevice>();
  const ReadPart read = [&](Part part, std::size_t layer) {
    auto values = bert.reader()(part, layer);
    if (part == Part::out_bias && layer == 1) values.pop_back();
    return values;
  };
  EXPECT_THROW(Engine(device, shape, read, quick()), DeviceError);
  EXPECT_EQ(device->live(), 0u);
}

}  // namespace
}  // namespace memseal::kernels

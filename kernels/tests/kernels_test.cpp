// Each kernel against its plain twin, on every device there is. Rows beyond the batch are NaN
// before the kernel runs, because no real row may read them.
#include "device_rig.hpp"
#include "host/simt.hpp"
#include "host/twins.hpp"

namespace memseal::kernels {
namespace {

constexpr double gate = 1e-3;  // fp16 storage

class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<Device> device = make_device(GetParam());
  std::unique_ptr<Stream> stream = device->make_stream();
  Random random{7};
};

INSTANTIATE_TEST_SUITE_P(On, KernelTest, testing::ValuesIn(device_kinds()), [](const auto& kind) {
  return kind.param == "cuda" ? std::string("gpu_cuda") : kind.param;
});

const std::vector<std::vector<std::size_t>> batches{
    {1}, {7}, {63}, {64}, {65}, {127}, {129}, {257}, {511, 1}, {512}, {2, 3}, {64, 1, 65, 128}};

std::vector<std::size_t> many(std::size_t count) {
  Random random(static_cast<unsigned>(count));
  std::vector<std::size_t> lengths(count);
  for (auto& length : lengths) length = 1 + random.below(count > 2 ? 20 : 70);
  return lengths;
}

void expect_attention(Device& device, Stream& stream, Random& random,
                      const std::vector<std::size_t>& lengths, std::size_t heads,
                      std::size_t head_size) {
  const Layout layout(lengths);
  const auto hidden = heads * head_size, rows = layout.tokens() + 70;  // beyond the last tile too
  auto values = random.halves(rows * 3 * hidden, 1.5f);
  std::fill(values.begin() + static_cast<std::ptrdiff_t>(layout.tokens() * 3 * hidden),
            values.end(), poison);
  const OnDevice<Half> fused(device, std::move(values));
  const OnDevice<std::int32_t> starts(device, layout.starts);
  auto padded = layout.tiles;
  padded.resize(padded.size() + 3, 0x7fff0000);  // not read
  const OnDevice<std::int32_t> tiles(device, padded);
  const OnDevice<BatchCounts> counts(device, {layout.counts});
  OnDevice<Half> context(device, std::vector<Half>(rows * hidden, poison));
  Attend work{fused.get(),   starts.get(),  tiles.get(), counts.get(),
              context.get(), padded.size(), heads,       head_size};
  stream.run(work);
  const auto got = context.download(stream);
  work.fused = fused.host.data();
  work.starts = starts.host.data();
  work.tiles = tiles.host.data();
  work.counts = counts.host.data();
  work.context = context.host.data();
  twin::run(work);
  EXPECT_LE(relative_error(got, context.host, layout.tokens() * hidden), gate)
      << lengths.size() << " sequences, the first of " << lengths.front() << ", heads of "
      << head_size;
  for (auto i = layout.tokens() * hidden; i < got.size(); ++i)
    ASSERT_EQ(got[i].bits, poison.bits) << "wrote beyond the batch";
}

void expect_first_attention(Device& device, Stream& stream, Random& random,
                            const std::vector<std::size_t>& lengths, std::size_t heads,
                            std::size_t head_size) {
  const Layout layout(lengths);
  const auto hidden = heads * head_size, sequences = lengths.size() + 2;
  auto values = random.halves((layout.tokens() + 5) * 2 * hidden, 1.5f);
  std::fill(values.begin() + static_cast<std::ptrdiff_t>(layout.tokens() * 2 * hidden),
            values.end(), poison);
  const OnDevice<Half> fused(device, std::move(values));
  const OnDevice<Half> query(device, random.halves(sequences * hidden, 1.5f));
  const OnDevice<std::int32_t> starts(device, layout.starts);
  const OnDevice<BatchCounts> counts(device, {layout.counts});
  OnDevice<Half> context(device, std::vector<Half>(sequences * hidden, poison));
  AttendFirst work{query.get(),   fused.get(), starts.get(), counts.get(),
                   context.get(), sequences,   heads,        head_size};
  stream.run(work);
  const auto got = context.download(stream);
  work = {query.host.data(),
          fused.host.data(),
          starts.host.data(),
          counts.host.data(),
          context.host.data(),
          sequences,
          heads,
          head_size};
  twin::run(work);
  EXPECT_LE(relative_error(got, context.host, got.size()), gate) << lengths.front();
}

TEST_P(KernelTest, AttentionEqualsItsTwinForEveryLength) {
  for (const auto& lengths : batches) {
    // Long sequences get one head, because emulation is slow.
    expect_attention(*device, *stream, random, lengths, lengths.front() > 200 ? 1 : 2, 32);
    expect_attention(*device, *stream, random, lengths, 1, 64);
  }
}

TEST_P(KernelTest, AttentionEqualsItsTwinForEveryBatchSize) {
  for (const std::size_t count : {1, 2, 24, 32}) {
    expect_attention(*device, *stream, random, many(count), 1, 32);
    expect_attention(*device, *stream, random, many(count), 2, 64);
  }
}

// A missing barrier or wait would change the result under some schedule.
TEST(AttentionTest, DoesNotDependOnWhichThreadRunsFirstNorOnWhenCopiesArrive) {
  using simt::Copies, simt::Order;
  for (const auto order : {Order::descending, Order::shuffled, Order::one_warp_ahead})
    for (const auto copies : {Copies::late, Copies::early}) {
      EmulatedDevice device;
      device.before_work = [=] { simt::set_schedule(order, copies); };
      const auto stream = device.make_stream();
      Random random(3);
      expect_attention(device, *stream, random, {65, 200}, 1, 64);
      expect_attention(device, *stream, random, {65, 200}, 1, 32);
      expect_first_attention(device, *stream, random, {65, 200}, 1, 32);
    }
}

// Scores of a hundred and more would overflow an exponential that does not subtract the greatest.
TEST_P(KernelTest, AttentionSurvivesGreatScores) {
  const Layout layout({90});
  constexpr std::size_t heads = 1, size = 64, hidden = heads * size;
  auto values = random.halves(layout.tokens() * 3 * hidden, 8);
  const OnDevice<Half> fused(*device, std::move(values));
  const OnDevice<std::int32_t> starts(*device, layout.starts), tiles(*device, layout.tiles);
  const OnDevice<BatchCounts> counts(*device, {layout.counts});
  OnDevice<Half> context(*device, std::vector<Half>(layout.tokens() * hidden));
  Attend work{fused.get(),   starts.get(),        tiles.get(), counts.get(),
              context.get(), layout.tiles.size(), heads,       size};
  stream->run(work);
  const auto got = context.download(*stream);
  work = {fused.host.data(),
          starts.host.data(),
          tiles.host.data(),
          counts.host.data(),
          context.host.data(),
          layout.tiles.size(),
          heads,
          size};
  twin::run(work);
  EXPECT_LE(relative_error(got, context.host, got.size()), gate);
}

TEST_P(KernelTest, AttentionOfFirstTokensEqualsItsTwin) {
  for (const auto& lengths : batches) {
    expect_first_attention(*device, *stream, random, lengths, 2, 32);
    expect_first_attention(*device, *stream, random, lengths, 2, 64);
  }
  for (const std::size_t count : {24, 32})
    expect_first_attention(*device, *stream, random, many(count), 2, 64);
}

TEST_P(KernelTest, EmbeddingEqualsItsTwin) {
  constexpr std::size_t vocabulary = 50, positions = 16;
  for (const std::size_t hidden : {8, 32, 128, 312, 384, 520, 640, 768, 896, 1'024}) {
    constexpr std::size_t rows = 37;
    std::vector<std::int32_t> ids(rows);
    std::vector<std::uint16_t> places(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      ids[i] = static_cast<std::int32_t>(random.below(vocabulary) | (i % 3 == 0 ? 0x80000000u : 0));
      places[i] = static_cast<std::uint16_t>(random.below(positions));
    }
    const OnDevice<std::int32_t> tokens(*device, ids);
    const OnDevice<std::uint16_t> at(*device, places);
    const OnDevice<Half> words(*device, random.halves(vocabulary * hidden));
    const OnDevice<Half> where(*device, random.halves(positions * hidden));
    const OnDevice<Half> types(*device, random.halves(2 * hidden));
    const OnDevice<float> gain(*device, random.floats(hidden, 0.2f, 1));
    const OnDevice<float> bias(*device, random.floats(hidden, 0.2f));
    OnDevice<Half> states(*device, std::vector<Half>((rows + 1) * hidden, poison));
    EmbedNorm work{tokens.get(), at.get(),     words.get(), where.get(), types.get(), gain.get(),
                   bias.get(),   states.get(), rows,        hidden,      1e-12f};
    stream->run(work);
    const auto got = states.download(*stream);
    work = {tokens.host.data(),
            at.host.data(),
            words.host.data(),
            where.host.data(),
            types.host.data(),
            gain.host.data(),
            bias.host.data(),
            states.host.data(),
            rows,
            hidden,
            1e-12f};
    twin::run(work);
    EXPECT_LE(relative_error(got, states.host, rows * hidden), gate) << hidden;
    EXPECT_EQ(got.back().bits, poison.bits);
  }
}

TEST_P(KernelTest, LayerNormEqualsItsTwinAlsoForRowsFarFromZero) {
  for (const std::size_t hidden : {8, 128, 312, 384, 768, 1'024}) {
    for (const std::size_t rows : {1, 7, 65}) {
      auto values = random.halves((rows + 1) * hidden, 3);
      for (std::size_t i = 0; i < hidden; ++i) values[i] = to_half(30 + to_float(values[i]));
      OnDevice<Half> x(*device, values);
      const OnDevice<float> gain(*device, random.floats(hidden, 0.2f, 1));
      const OnDevice<float> bias(*device, random.floats(hidden, 0.2f));
      Norm work{x.get(), gain.get(), bias.get(), rows, hidden, 1e-12f};
      stream->run(work);
      const auto got = x.download(*stream);
      work = {x.host.data(), gain.host.data(), bias.host.data(), rows, hidden, 1e-12f};
      twin::run(work);
      EXPECT_LE(relative_error(got, x.host, rows * hidden), gate) << hidden;
      EXPECT_EQ(got.back().bits, x.host.back().bits);
    }
  }
}

TEST_P(KernelTest, GeluIsTheExactOneAndNotItsApproximation) {
  std::vector<Half> values;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half value{static_cast<std::uint16_t>(bits)};
    if (std::abs(to_float(value)) <= 65'504) values.push_back(value);  // finite
  }
  values.resize(values.size() / 8 * 8);
  OnDevice<Half> x(*device, values);
  Gelu work{x.get(), values.size()};
  stream->run(work);
  const auto got = x.download(*stream);
  work.x = x.host.data();
  twin::run(work);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const float wanted = to_float(x.host[i]);
    // One step of fp16. (The tanh form differs by three steps at x = 2.5.)
    ASSERT_NEAR(to_float(got[i]), wanted, std::abs(wanted) * 0x1p-10 + 1e-6) << to_float(values[i]);
  }
}

TEST_P(KernelTest, FirstRowsAreTakenAndTheRestIsZero) {
  const Layout layout({3, 1, 70});
  constexpr std::size_t hidden = 40, sequences = 5;
  const OnDevice<Half> states(*device, random.halves(layout.tokens() * hidden));
  const OnDevice<std::int32_t> starts(*device, layout.starts);
  const OnDevice<BatchCounts> counts(*device, {layout.counts});
  OnDevice<Half> first(*device, std::vector<Half>(sequences * hidden, poison));
  TakeFirst work{states.get(), starts.get(), counts.get(), first.get(), sequences, hidden};
  stream->run(work);
  const auto got = first.download(*stream);
  work = {states.host.data(), starts.host.data(), counts.host.data(),
          first.host.data(),  sequences,          hidden};
  twin::run(work);
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].bits, first.host[i].bits) << i;
}

TEST_P(KernelTest, ScoresEqualTheirTwins) {
  for (const std::size_t hidden : {8, 128, 312, 384, 1'024}) {
    const Layout layout(many(hidden > 200 ? 3 : 24));
    const auto sequences = layout.starts.size() + 5, there = layout.starts.size() - 1;
    const auto scale = 1 / std::sqrt(static_cast<float>(hidden));
    const OnDevice<Half> first(*device, random.halves(sequences * hidden));
    const OnDevice<Half> pooler(*device, random.halves(hidden * hidden, scale));
    const OnDevice<float> pooler_bias(*device, random.floats(hidden, 0.1f));
    const OnDevice<float> classifier(*device, random.floats(hidden));
    const OnDevice<float> bias(*device, {0.25f});
    const OnDevice<BatchCounts> counts(*device, {layout.counts});
    OnDevice<float> logits(*device, std::vector<float>(sequences, 1e9f));
    ScoreHead work{first.get(),      pooler.get(), pooler_bias.get(),
                   classifier.get(), bias.get(),   counts.get(),
                   logits.get(),     sequences,    hidden};
    stream->run(work);
    const auto got = logits.download(*stream);
    work = {first.host.data(),      pooler.host.data(), pooler_bias.host.data(),
            classifier.host.data(), bias.host.data(),   counts.host.data(),
            logits.host.data(),     sequences,          hidden};
    twin::run(work);
    EXPECT_LE(relative_error(got, logits.host, there), 1e-5) << hidden;
    EXPECT_EQ(got[there], 1e9f);
  }
}

TEST_P(KernelTest, MeansEqualTheirTwins) {
  for (const std::size_t hidden : {8, 128, 312, 384, 1'024}) {
    const Layout layout({1, 7, 512, 63, 65});
    auto values = random.halves((layout.tokens() + 1) * hidden, 1);
    std::fill(values.end() - static_cast<std::ptrdiff_t>(hidden), values.end(), poison);
    const OnDevice<Half> states(*device, std::move(values));
    const OnDevice<std::int32_t> starts(*device, layout.starts);
    const OnDevice<BatchCounts> counts(*device, {layout.counts});
    constexpr std::size_t sequences = 8;
    OnDevice<float> vectors(*device, std::vector<float>(sequences * hidden, 1e9f));
    MeanHead work{states.get(), starts.get(), counts.get(), vectors.get(), sequences, hidden};
    stream->run(work);
    const auto got = vectors.download(*stream);
    work = {states.host.data(),  starts.host.data(), counts.host.data(),
            vectors.host.data(), sequences,          hidden};
    twin::run(work);
    EXPECT_LE(relative_error(got, vectors.host, 5 * hidden), 1e-5) << hidden;
    EXPECT_EQ(got.back(), 1e9f);
  }
}

// On a GPU these are cuBLASLt's products; elsewhere the twin itself, against sums in another order.
TEST_P(KernelTest, ProductsAddBiasAndWhatWasThere) {
  struct Size {
    std::size_t rows, in, out;
  };
  for (const auto& [rows, in, out] : {Size{128, 128, 384}, Size{1, 128, 512}, Size{32, 384, 1'536},
                                      Size{257, 512, 128}, Size{64, 312, 1'200}}) {
    for (const bool add : {false, true}) {
      const OnDevice<Half> from(*device, random.halves(rows * in));
      const OnDevice<Half> weight(*device, random.halves(in * out, 0.05f));
      const OnDevice<Half> bias(*device, random.halves(out));
      const auto before = random.halves(rows * out);
      OnDevice<Half> to(*device, before), scratch(*device, before);
      Gemm work{from.get(), weight.get(), bias.get(), scratch.get(), rows, in, out, add};
      device->choose(work);
      work.to = to.get();
      stream->run(work);
      const auto got = to.download(*stream);
      std::vector<float> wanted(rows * out);
      for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t column = 0; column < out; ++column) {
          double sum = 0;
          for (std::size_t k = in; k-- > 0;)
            sum += static_cast<double>(to_float(from.host[row * in + k])) *
                   to_float(weight.host[column * in + k]);
          sum += to_float(bias.host[column]);
          if (add) sum += to_float(before[row * out + column]);
          wanted[row * out + column] = static_cast<float>(sum);
        }
      EXPECT_LE(relative_error(widened(got), wanted, wanted.size()), gate)
          << rows << " x " << in << " x " << out << (add ? ", added" : "");
    }
  }
}

TEST(EmulationDeathTest, EmulatedThreadsThatWaitForEachOtherForEverAreNoticed) {
  EXPECT_DEATH(simt::run({1}, 64,
                         [] {
                           if (simt::position().thread.x != 5) simt::barrier();
                         }),
               "wait for each other");
}

}  // namespace
}  // namespace memseal::kernels

// Products of 8-bit integers: every instruction set against plain code, and plain code against the
// formula.
#include "adapters/model/cpu/int8_ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace memseal::model {
namespace {

std::vector<float> normal(std::size_t count, float scale, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, scale);
  std::vector<float> numbers(count);
  for (auto& number : numbers) number = draw(random);
  return numbers;
}

struct Quantised {
  Quantised(const Int8Ops& ops, const std::vector<float>& x, std::size_t count, std::size_t width)
      : numbers(count * int8_stride(width), 0xee), scales(count), zeros(count) {
    ops.quantise(x.data(), count, width, rows(width));
  }
  QuantisedRows rows(std::size_t width) {
    return {numbers.data(), scales.data(), zeros.data(), int8_stride(width)};
  }
  std::vector<std::uint8_t> numbers;
  std::vector<float> scales;
  std::vector<std::int32_t> zeros;
};

std::vector<float> product(const Int8Ops& ops, const std::vector<float>& x, std::size_t count,
                           const std::vector<float>& weights, const std::vector<float>& bias) {
  const auto out = bias.size(), in = weights.size() / out;
  std::vector<std::int8_t> packed(int8_packed_bytes(in, out, ops));
  const auto layer = pack_int8(weights, bias, ops, packed.data());
  Quantised narrow(ops, x, count, in);
  std::vector<float> to(count * out, -1e9f);
  ops.multiply(narrow.rows(in), count, layer.weights(), to.data());
  return to;
}

TEST(Int8Ops, EverySetGivesTheSameBits) {
  ASSERT_EQ(runnable_int8_ops().back(), &int8_ops_portable);
  for (const auto* ops : runnable_int8_ops())
    for (const auto& [in, out] : {std::pair<std::size_t, std::size_t>{128, 384},
                                  {512, 128},
                                  {36, 50},
                                  {3, 1},
                                  {97, 65},
                                  {384, 1152}})
      for (const std::size_t count : {1, 5, 6, 7, 25}) {
        auto x = normal(count * in, 3, 1);
        for (std::size_t k = 0; k < in; ++k) x[k] = 2.5f;  // a row of one number
        if (count > 5) std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(in), in, 0.0f);
        const auto weights = normal(in * out, 0.1f, 2), bias = normal(out, 1, 3);
        EXPECT_EQ(product(*ops, x, count, weights, bias),
                  product(int8_ops_portable, x, count, weights, bias))
            << ops->isa << ' ' << in << " x " << out << ", " << count << " rows";
      }
}

TEST(Int8Ops, RowsOfAnyNumbersBecomeTheSameInEverySet) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const std::vector<std::vector<float>> rows{{0, 0, 0, 0, 0},          {1e-38f, -1e-38f, 0, 0, 0},
                                             {3e38f, -3e38f, 1, 0, 0}, {-7, -7, -7, -7, -7},
                                             {inf, 1, 2, 3, 4},        {nan, 1, 2, 3, 4}};
  for (const auto* ops : runnable_int8_ops())
    for (const auto& some : rows) {
      std::vector<float> x(21);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = some[i % some.size()];
      Quantised got(*ops, x, 1, x.size()), wanted(int8_ops_portable, x, 1, x.size());
      EXPECT_EQ(got.scales, wanted.scales) << ops->isa;
      EXPECT_EQ(got.zeros, wanted.zeros) << ops->isa;
      if (std::isfinite(some[0])) {
        EXPECT_EQ(got.numbers, wanted.numbers) << ops->isa;
      }
    }
}

// Half a step of the row, which is 1/255 of its range, and 0 is exact.
TEST(Int8Ops, ARowComesBackWithinHalfAStep) {
  const auto x = normal(7 * 101, 4, 5);
  Quantised narrow(int8_ops_portable, x, 7, 101);
  for (std::size_t row = 0; row < 7; ++row)
    for (std::size_t k = 0; k < 101; ++k) {
      const auto q = narrow.numbers[row * int8_stride(101) + k];
      const float back = static_cast<float>(q - narrow.zeros[row]) * narrow.scales[row];
      // The range's ends may lie half a step beyond what zero allows.
      EXPECT_NEAR(back, x[row * 101 + k], narrow.scales[row] * 1.01f);
    }
}

TEST(Int8Ops, AProductIsThatOfTheRoundedNumbers) {
  const std::size_t in = 130, out = 9, count = 4;
  const auto x = normal(count * in, 2, 7), weights = normal(in * out, 0.2f, 8),
             bias = normal(out, 1, 9);
  const auto got = product(int8_ops_portable, x, count, weights, bias);
  double worst = 0, size = 0;
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t n = 0; n < out; ++n) {
      double wanted = bias[n];
      for (std::size_t k = 0; k < in; ++k)
        wanted += static_cast<double>(x[i * in + k]) * weights[n * in + k];
      worst = std::max(worst, std::abs(got[i * out + n] - wanted));
      size = std::max(size, std::abs(wanted));
    }
  // Each of 130 products is off by about a hundredth of itself, in either direction.
  EXPECT_LE(worst, 0.02 * size);
  EXPECT_GT(worst, 0) << "rounded factors must show";
}

}  // namespace
}  // namespace memseal::model

#include "pure/matrix/scan_ops.hpp"

#include "pure/codec/half.hpp"
#include "pure/matrix/wiped_array.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <string>

namespace memseal::matrix {
namespace {

TEST(Half, EveryFiniteOneComesBack) {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7c00u) == 0x7c00u) continue;
    const auto half = static_cast<std::uint16_t>(bits);
    ASSERT_EQ(codec::half_bits(codec::half_value(half)), half) << bits;
  }
  EXPECT_EQ(codec::half_value(0x3c00), 1.0f);
  EXPECT_EQ(codec::half_value(0xc000), -2.0f);
  EXPECT_EQ(codec::half_value(0x0001), 0x1p-24f);
}

class EachScanIsa : public ::testing::TestWithParam<const ScanOps*> {};

/// Rows of halves of every size down to subnormal ones, padded, and questions beside them.
struct Numbers {
  Numbers(std::size_t of_dimension, std::size_t of_rows, std::size_t of_questions)
      : dimension(of_dimension),
        stride(row_stride(of_dimension)),
        rows(of_rows * stride),
        questions(of_questions * stride) {
    std::mt19937 random(static_cast<unsigned>(dimension * 31 + of_rows));
    std::normal_distribution<float> normal;
    for (std::size_t row = 0; row < of_rows; ++row)
      for (std::size_t i = 0; i < dimension; ++i) {
        const float size = row % 5 == 4 ? 1e-6f : 0.05f;
        rows[row * stride + i] = codec::half_bits(normal(random) * size);
      }
    for (std::size_t q = 0; q < of_questions; ++q)
      for (std::size_t i = 0; i < dimension; ++i) questions[q * stride + i] = normal(random);
  }
  std::size_t dimension, stride;
  WipedArray<std::uint16_t> rows;
  WipedArray<float> questions;
};

TEST_P(EachScanIsa, DotsAreThoseOfDoublePrecision) {
  for (const std::size_t dimension : {1u, 16u, 33u, 384u, 1'000u})
    for (const std::size_t count : {1u, 7u, 32u, 77u})
      for (std::size_t asked = 1; asked <= 9; ++asked) {
        const Numbers numbers(dimension, count, asked);
        const std::size_t out_stride = count + 3;
        std::vector<float> out(asked * out_stride, -7);
        GetParam()->dots(numbers.rows.data(), numbers.stride, count, numbers.questions.data(),
                         asked, out.data(), out_stride);
        for (std::size_t q = 0; q < asked; ++q) {
          for (std::size_t row = 0; row < count; ++row) {
            double wanted = 0, sizes = 0;
            for (std::size_t i = 0; i < dimension; ++i) {
              const double product =
                  double{codec::half_value(numbers.rows[row * numbers.stride + i])} *
                  numbers.questions[q * numbers.stride + i];
              wanted += product;
              sizes += std::abs(product);
            }
            ASSERT_NEAR(out[q * out_stride + row], wanted,
                        static_cast<double>(dimension) * 0x1p-24 * sizes + 1e-30)
                << dimension << ' ' << count << ' ' << asked << ' ' << q << ' ' << row;
          }
          for (std::size_t beyond = count; beyond < out_stride; ++beyond)
            ASSERT_EQ(out[q * out_stride + beyond], -7);
        }
      }
}

TEST_P(EachScanIsa, SquaresAreThoseOfDoublePrecision) {
  for (const std::size_t dimension : {1u, 31u, 384u}) {
    const Numbers numbers(dimension, 41, 1);
    std::vector<float> out(41);
    GetParam()->squares(numbers.rows.data(), numbers.stride, 41, out.data());
    for (std::size_t row = 0; row < 41; ++row) {
      double wanted = 0;
      for (std::size_t i = 0; i < dimension; ++i) {
        const double value = codec::half_value(numbers.rows[row * numbers.stride + i]);
        wanted += value * value;
      }
      ASSERT_NEAR(out[row], wanted, static_cast<double>(dimension) * 0x1p-24 * wanted + 1e-30);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Matrix, EachScanIsa, ::testing::ValuesIn(runnable_scan_ops()),
                         [](const auto& info) { return std::string(info.param->isa); });

TEST(ScanOps, TheBestIsTheFirstAndTheBaselineRunsEverywhere) {
  const auto sets = runnable_scan_ops();
  EXPECT_EQ(&best_scan_ops(), sets.front());
  EXPECT_EQ(sets.back(), &scan_ops_baseline);
  std::set<std::string> names;
  for (const auto* ops : sets) names.insert(ops->isa);
  EXPECT_EQ(names.size(), sets.size());
}

TEST(WipedArray, BeginsOnACacheLineWithZeros) {
  WipedArray<float> some(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(some.data()) % 64, 0u);
  for (std::size_t i = 0; i < some.size(); ++i) EXPECT_EQ(some[i], 0);
  some[3] = 5;
  WipedArray<float> moved(std::move(some));
  EXPECT_EQ(moved[3], 5);
  EXPECT_EQ(some.size(), 0u);
}

}  // namespace
}  // namespace memseal::matrix

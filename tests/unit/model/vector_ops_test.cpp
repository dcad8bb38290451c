#include "adapters/model/cpu/vector_ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <initializer_list>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace memseal::model {
namespace {

using Floats = std::vector<float>;

Floats random_floats(std::size_t count, float spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  Floats values(count);
  for (auto& value : values) value = normal(random);
  return values;
}

/// |got - wanted| / |wanted| over all values.
double relative_error(const Floats& got, const std::vector<double>& wanted) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    size += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / size);
}

struct Aligned {
  Floats room;
  float* start;
  explicit Aligned(std::size_t count) : room(count + 32, std::nanf("")) {
    start = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(room.data()) + 63) &
                                     ~std::uintptr_t(63));
    for (std::size_t i = static_cast<std::size_t>(start - room.data()) + count; i < room.size();
         ++i)
      room[i] = 12345.0f;
  }
};

class EachIsa : public ::testing::TestWithParam<const VectorOps*> {};

TEST_P(EachIsa, GeluFollowsItsFormula) {
  Floats x;
  for (int i = -12'000; i <= 12'000; ++i) x.push_back(static_cast<float>(i) / 1'000.0f);
  auto y = x;
  GetParam()->gelu(y.data(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i], wanted = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
    ASSERT_NEAR(y[i], wanted, 2e-6) << x[i];
  }
}

TEST_P(EachIsa, GeluTouchesNothingBeyondItsRow) {
  for (std::size_t count = 0; count < 70; ++count) {
    auto x = random_floats(count + 20, 2, 7);
    const auto before = x;
    GetParam()->gelu(x.data(), count);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_NEAR(x[i], 0.5 * before[i] * (1 + std::erf(before[i] / std::sqrt(2.0))), 1e-6);
    for (std::size_t i = count; i < x.size(); ++i) ASSERT_EQ(x[i], before[i]);
  }
}

TEST_P(EachIsa, GeluKeepsExtremesFinite) {
  Floats x{-1e30f, -100.0f, -0.0f, 0.0f, 100.0f, 1e30f};
  GetParam()->gelu(x.data(), x.size());
  EXPECT_NEAR(x[1], 0, 1e-4);
  EXPECT_EQ(x[2], 0);
  EXPECT_EQ(x[3], 0);
  EXPECT_NEAR(x[4], 100, 1e-4);
  for (const float value : x) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(EachIsa, AddNormMatchesDoubleAtOddWidths) {
  for (const std::size_t width : {1u, 2u, 7u, 15u, 16u, 17u, 32u, 100u, 128u, 384u, 387u, 1024u})
    for (const std::size_t rows : {1u, 7u, 65u}) {
      auto x = random_floats(rows * width, 3, 1);
      const auto y = random_floats(rows * width, 2, 2);
      const auto gain = random_floats(width, 1, 3), bias = random_floats(width, 1, 4);
      std::vector<double> wanted(x.size());
      for (std::size_t r = 0; r < rows; ++r) {
        double mean = 0, variance = 0;
        const auto at = [&](std::size_t k) {
          return static_cast<double>(x[r * width + k]) + y[r * width + k];
        };
        for (std::size_t k = 0; k < width; ++k) mean += at(k) / static_cast<double>(width);
        for (std::size_t k = 0; k < width; ++k)
          variance += (at(k) - mean) * (at(k) - mean) / static_cast<double>(width);
        for (std::size_t k = 0; k < width; ++k)
          wanted[r * width + k] = (at(k) - mean) / std::sqrt(variance + 1e-12) * gain[k] + bias[k];
      }
      GetParam()->add_norm(x.data(), y.data(), gain.data(), bias.data(), 1e-12f, rows, width);
      // A row of one number has no spread: the norm divides rounding errors by almost nothing.
      if (width > 1) {
        EXPECT_LT(relative_error(x, wanted), 1e-5) << rows << " x " << width;
      }
    }
}

TEST_P(EachIsa, AddNormWithoutASecondTermNormalisesTheFirst) {
  auto x = random_floats(3 * 48, 2, 5), y = x;
  const Floats zero(x.size()), gain(48, 1), bias(48, 0);
  GetParam()->add_norm(x.data(), nullptr, gain.data(), bias.data(), 1e-12f, 3, 48);
  GetParam()->add_norm(y.data(), zero.data(), gain.data(), bias.data(), 1e-12f, 3, 48);
  EXPECT_EQ(x, y);
}

std::vector<double> attend_in_double(const Floats& rows, std::size_t length, std::size_t queries,
                                     std::size_t heads, std::size_t size) {
  const auto width = heads * size, stride = 3 * width;
  std::vector<double> out(queries * width), weight(length);
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t i = 0; i < queries; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < length; ++j) {
        double dot = 0;
        for (std::size_t d = h * size; d < (h + 1) * size; ++d)
          dot += static_cast<double>(rows[i * stride + d]) * rows[j * stride + width + d];
        sum += weight[j] = std::exp(dot / std::sqrt(static_cast<double>(size)));
      }
      for (std::size_t j = 0; j < length; ++j)
        for (std::size_t d = h * size; d < (h + 1) * size; ++d)
          out[i * width + d] += weight[j] / sum * rows[j * stride + 2 * width + d];
    }
  return out;
}

void expect_attention(const VectorOps& kernels, std::size_t length, std::size_t queries,
                      std::size_t heads, std::size_t size) {
  const auto width = heads * size;
  const auto rows = random_floats(length * 3 * width, 1.2f, static_cast<unsigned>(length + size));
  const Aligned scratch(attention_scratch(length, size));
  Floats out(queries * width + 64, -7.0f);
  kernels.attend({.query = rows.data(),
                  .key = rows.data() + width,
                  .value = rows.data() + 2 * width,
                  .query_stride = 3 * width,
                  .key_stride = 3 * width,
                  .queries = queries,
                  .keys = length,
                  .heads = heads,
                  .head_size = size,
                  .out = out.data(),
                  .out_stride = width,
                  .scratch = scratch.start});
  for (std::size_t i = queries * width; i < out.size(); ++i) ASSERT_EQ(out[i], -7.0f);
  const auto scratch_end = static_cast<std::size_t>(scratch.start - scratch.room.data()) +
                           attention_scratch(length, size);
  for (std::size_t i = scratch_end; i < scratch.room.size(); ++i)
    ASSERT_EQ(scratch.room[i], 12345.0f) << "wrote beyond its scratch";
  out.resize(queries * width);
  EXPECT_LT(relative_error(out, attend_in_double(rows, length, queries, heads, size)), 1e-5)
      << kernels.isa << ": " << queries << " of " << length << " tokens, " << heads << " x "
      << size;
}

TEST_P(EachIsa, AttentionMatchesDoubleAtOddLengths) {
  for (const std::size_t length :
       {1u, 2u, 3u, 7u, 11u, 12u, 13u, 31u, 32u, 33u, 63u, 64u, 65u, 127u, 128u, 129u, 257u, 511u,
        512u})
    for (const std::size_t size : {32u, 64u})
      expect_attention(*GetParam(), length, length, 2, size);
}

TEST_P(EachIsa, AttentionMatchesDoubleAtOddHeadSizes) {
  for (const std::size_t size : {1u, 3u, 8u, 12u, 16u, 20u, 33u, 48u, 80u, 128u})
    for (const std::size_t length : {1u, 17u, 65u})
      expect_attention(*GetParam(), length, length, 3, size);
}

TEST_P(EachIsa, AttentionOfTheFirstTokenAlone) {
  for (const std::size_t length : {1u, 2u, 63u, 64u, 65u, 256u, 512u})
    for (const std::size_t size : {12u, 32u, 64u})
      expect_attention(*GetParam(), length, 1, 2, size);
}

TEST_P(EachIsa, AttentionSurvivesLargeScores) {
  const std::size_t length = 40, size = 32;
  Floats rows(length * 3 * size, 0);
  for (std::size_t j = 0; j < length; ++j)
    for (std::size_t d = 0; d < size; ++d) {
      rows[j * 3 * size + d] = 30;
      rows[j * 3 * size + size + d] = j == 5 ? 30.0f : -30.0f;
      rows[j * 3 * size + 2 * size + d] = static_cast<float>(j);
    }
  const Aligned scratch(attention_scratch(length, size));
  Floats out(length * size);
  GetParam()->attend({rows.data(), rows.data() + size, rows.data() + 2 * size, 3 * size, 3 * size,
                      length, length, 1, size, out.data(), size, scratch.start});
  for (const float value : out) ASSERT_NEAR(value, 5, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(VectorOps, EachIsa, ::testing::ValuesIn(runnable_vector_ops()),
                         [](const auto& info) { return std::string(info.param->isa); });

#if defined(__x86_64__)
// The kernel's list of what the CPU has is another source than the compiler's builtins.
std::set<std::string> cpu_flags() {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> flags;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) flags.insert(word);
    break;
  }
  return flags;
}

TEST(VectorOps, TheBestSetIsTheWidestThatTheSystemListsForThisCpu) {
  const auto flags = cpu_flags();
  ASSERT_TRUE(flags.contains("sse2")) << "/proc/cpuinfo lists no flags";
  const auto has = [&](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(),
                       [&](auto* name) { return flags.contains(name); });
  };
  const std::string widest = has({"avx512f", "avx512dq", "avx512bw", "avx512vl"}) ? "avx512"
                             : has({"avx2", "fma"})                               ? "avx2"
                                                                                  : "baseline";
  EXPECT_EQ(best_vector_ops().isa, widest);
}
#endif

TEST(VectorOps, TheBaselineRunsOnEveryMachine) {
  EXPECT_EQ(runnable_vector_ops().back(), &vector_ops_baseline);
}

}  // namespace
}  // namespace memseal::model

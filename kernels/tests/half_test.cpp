#include "half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace memseal::kernels {
namespace {

TEST(Half, EveryValueSurvivesTheWayToFloatAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float wide = to_float(half);
    if (std::isnan(wide))
      EXPECT_TRUE(std::isnan(to_float(to_half(wide))));
    else
      ASSERT_EQ(to_half(wide).bits, half.bits) << bits;
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  std::mt19937 random(11);
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = to_float({static_cast<std::uint16_t>(bits)});
    const float high = to_float({static_cast<std::uint16_t>(bits + 1)});
    const float middle = low + (high - low) / 2;  // exact, because a float has more bits
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(to_half(middle).bits, even) << bits;
    ASSERT_EQ(to_half(std::nextafter(middle, 0.0f)).bits, bits) << bits;
    ASSERT_EQ(to_half(std::nextafter(middle, 1e9f)).bits, bits + 1) << bits;
    ASSERT_EQ(to_half(-middle).bits, even | 0x8000) << bits;
  }
}

TEST(Half, WhatIsTooGreatBecomesInfinityAndNothingElseDoes) {
  EXPECT_EQ(to_half(65'504.0f).bits, 0x7bff);
  EXPECT_EQ(to_half(65'519.996f).bits, 0x7bff);
  EXPECT_EQ(to_half(65'520.0f).bits, 0x7c00);
  EXPECT_EQ(to_half(std::numeric_limits<float>::infinity()).bits, 0x7c00);
  EXPECT_EQ(to_half(-1e30f).bits, 0xfc00);
  EXPECT_EQ(to_half(1e-30f).bits, 0);
  EXPECT_EQ(to_half(-0.0f).bits, 0x8000);
  EXPECT_TRUE(std::isinf(to_float({0x7c00})));
}

}  // namespace
}  // namespace memseal::kernels

#include "runtime/histogram_summary.hpp"

#include <gtest/gtest.h>

namespace memseal::runtime {
namespace {

TEST(Quantiles, LieOnStraightLinesInsideTheirBuckets) {
  Metrics metrics;
  auto& histogram = metrics.histogram("h", "h", {1, 2, 4});
  EXPECT_FALSE(quantile(histogram, 0.5));
  EXPECT_EQ(observed(histogram).count, 0u);
  for (const double value : {0.5, 0.6, 1.5, 3.0}) histogram.Observe(value);
  EXPECT_DOUBLE_EQ(*quantile(histogram, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(*quantile(histogram, 0.5), 1);
  EXPECT_DOUBLE_EQ(*quantile(histogram, 0.75), 2);
  EXPECT_DOUBLE_EQ(*quantile(histogram, 1), 4);
  EXPECT_EQ(observed(histogram).count, 4u);
  EXPECT_DOUBLE_EQ(observed(histogram).mean, 1.4);
  for (int i = 0; i < 96; ++i) histogram.Observe(100);
  EXPECT_DOUBLE_EQ(*quantile(histogram, 0.99), 4) << "the last finite edge";
}

}  // namespace
}  // namespace memseal::runtime

#include "adapters/model/schedule/batching.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace memseal::model {
namespace {

TEST(PlanBatches, TakesEveryIndexOnceWithinTheBudget) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 100; ++i) lengths.push_back(2 + (i * 53) % 255);
  std::set<std::size_t> seen;
  for (const auto& batch : plan_batches(lengths, 512)) {
    std::size_t tokens = 0;
    for (const auto index : batch) {
      EXPECT_TRUE(seen.insert(index).second);
      tokens += lengths[index];
    }
    EXPECT_LE(tokens, 512u);
  }
  EXPECT_EQ(seen.size(), lengths.size());
}

TEST(PlanBatches, AnInputAboveTheBudgetGoesAlone) {
  const std::vector<std::size_t> lengths{600, 10, 700, 20};
  const auto batches = plan_batches(lengths, 512);
  EXPECT_EQ(batches, (std::vector<std::vector<std::size_t>>{{1, 3}, {0}, {2}}));
  EXPECT_TRUE(plan_batches({}, 512).empty());
}

}  // namespace
}  // namespace memseal::model

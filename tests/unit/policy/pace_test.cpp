#include "pure/policy/pace.hpp"

#include <gtest/gtest.h>

namespace memseal::policy {
namespace {

using namespace std::chrono_literals;

const PaceRules rules{.first = 100, .least = 20, .most = 350, .fast = 10ms, .slow = 50ms};

TEST(Pace, GrowsWhileCallsAreFastAndStaysBelowItsLimit) {
  Pace pace(rules);
  pace.took(100, 1ms);
  EXPECT_EQ(pace.size(), 200u);
  pace.took(200, 1ms);
  EXPECT_EQ(pace.size(), 350u);
  pace.took(350, 1ms);
  EXPECT_EQ(pace.size(), 350u);
}

TEST(Pace, ShrinksAfterASlowCallAndKeepsItsLeast) {
  Pace pace(rules);
  for (const std::size_t size : {50u, 25u, 20u, 20u}) {
    pace.took(10, 60ms);
    EXPECT_EQ(pace.size(), size);
  }
}

TEST(Pace, StaysWhereCallsTakeTheirTime) {
  Pace pace(rules);
  pace.took(100, 30ms);
  EXPECT_EQ(pace.size(), 100u);
}

TEST(Pace, LearnsNothingFromASmallCallThatIsFast) {
  Pace pace(rules);
  pace.took(49, 1ms);
  EXPECT_EQ(pace.size(), 100u);
}

}  // namespace
}  // namespace memseal::policy

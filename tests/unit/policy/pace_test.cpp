#include "pure/policy/pace.hpp"

#include <gtest/gtest.h>

namespace memseal::policy {
namespace {

using namespace std::chrono_literals;

const PaceRules rules{.first = 100, .least = 20, .most = 350, .fast = 10ms, .slow = 50ms};

TEST(Pace, BeginsWithTheLeastSoThatAStartThatEndsSoonHasStoredSomething) {
  const PaceRules usual;
  EXPECT_EQ(Pace(usual).size(), usual.least);
}

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

TEST(Pace, DoesNotShrinkWhereCallsTakeTheSameTimeWhateverTheirSize) {
  Pace pace(rules);
  std::size_t done = 0;
  for (int call = 0; call < 100; ++call) {
    done += pace.size();
    pace.took(pace.size(), 60ms);
    EXPECT_GE(pace.size(), 50u);
  }
  EXPECT_GE(done, 9'000u) << "of 10'000: trying again costs little";
}

TEST(Pace, ShrinksAfterAllWhereTheWorkBecomesSlow) {
  Pace pace(rules);
  pace.took(100, 60ms);
  pace.took(50, 60ms);
  EXPECT_EQ(pace.size(), 100u) << "halving did not help";
  for (int call = 0; call < 20; ++call) pace.took(pace.size(), pace.size() * 5ms);
  EXPECT_EQ(pace.size(), 20u);
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

#include "pure/policy/breaker.hpp"

#include <gtest/gtest.h>

namespace memseal::policy {
namespace {

using namespace std::chrono_literals;

const auto start = Breaker::TimePoint{} + 1h;

Breaker opened(Breaker::TimePoint now) {
  Breaker breaker;
  for (int call = 0; call < 3; ++call) breaker.record(now, 251ms);
  return breaker;
}

TEST(Breaker, LetsCallsThroughWhileTheyAreGood) {
  Breaker breaker;
  for (int call = 0; call < 100; ++call) {
    EXPECT_TRUE(breaker.allows(start));
    breaker.record(start, 250ms);
  }
  EXPECT_EQ(breaker.state(start), BreakerState::closed);
}

TEST(Breaker, OpensAfterThreeSlowCallsInARow) {
  Breaker breaker;
  breaker.record(start, 251ms);
  breaker.record(start, 251ms);
  EXPECT_TRUE(breaker.allows(start));
  breaker.record(start, 251ms);
  EXPECT_EQ(breaker.state(start), BreakerState::open);
  EXPECT_FALSE(breaker.allows(start + 29'999ms));
}

TEST(Breaker, OpensAfterThreeFailuresHoweverQuick) {
  Breaker breaker;
  for (int call = 0; call < 3; ++call) breaker.record(start, 1ms, false);
  EXPECT_FALSE(breaker.allows(start));
}

TEST(Breaker, CountsOnlyBadCallsInARow) {
  Breaker breaker;
  for (int round = 0; round < 10; ++round) {
    breaker.record(start, 300ms);
    breaker.record(start, 1ms, false);
    breaker.record(start, 1ms);
  }
  EXPECT_EQ(breaker.state(start), BreakerState::closed);
}

TEST(Breaker, LetsOneProbeThroughAfterTheCoolDown) {
  auto breaker = opened(start);
  const auto later = start + 30s;
  EXPECT_EQ(breaker.state(later), BreakerState::half_open);
  EXPECT_TRUE(breaker.allows(later));
  EXPECT_FALSE(breaker.allows(later));
  EXPECT_FALSE(breaker.allows(later + 1s));
}

TEST(Breaker, ClosesAfterAGoodProbe) {
  auto breaker = opened(start);
  EXPECT_TRUE(breaker.allows(start + 30s));
  breaker.record(start + 30s, 10ms);
  EXPECT_EQ(breaker.state(start + 30s), BreakerState::closed);
  EXPECT_TRUE(breaker.allows(start + 30s));
  breaker.record(start + 31s, 300ms);
  EXPECT_TRUE(breaker.allows(start + 31s)) << "it counts from nothing again";
}

TEST(Breaker, StaysOpenForAnotherCoolDownAfterABadProbe) {
  auto breaker = opened(start);
  EXPECT_TRUE(breaker.allows(start + 30s));
  breaker.record(start + 31s, 300ms);
  EXPECT_FALSE(breaker.allows(start + 60'999ms));
  EXPECT_TRUE(breaker.allows(start + 61s));
}

TEST(Breaker, AForgottenProbeFreesItsPlace) {
  auto breaker = opened(start);
  EXPECT_TRUE(breaker.allows(start + 30s));
  breaker.forget();
  EXPECT_TRUE(breaker.allows(start + 30s));
}

TEST(Breaker, ALostProbeIsFollowedByAnother) {
  auto breaker = opened(start);
  EXPECT_TRUE(breaker.allows(start + 30s));
  EXPECT_FALSE(breaker.allows(start + 59'999ms));
  EXPECT_TRUE(breaker.allows(start + 60s));
}

TEST(Breaker, ALateAnswerFromBeforeItOpenedChangesNothing) {
  auto breaker = opened(start);
  breaker.record(start + 1s, 1ms);
  EXPECT_EQ(breaker.state(start + 1s), BreakerState::open);
  breaker.record(start + 29s, 9s, false);
  EXPECT_EQ(breaker.state(start + 30s), BreakerState::half_open) << "nor makes it open longer";
}

TEST(Breaker, FollowsItsRules) {
  Breaker breaker({.failures_max = 1, .slow = 5ms, .cool_down = 1s});
  breaker.record(start, 6ms);
  EXPECT_EQ(breaker_state_name(breaker.state(start)), "open");
  EXPECT_EQ(breaker_state_name(breaker.state(start + 1s)), "half_open");
  EXPECT_TRUE(breaker.allows(start + 1s));
  breaker.record(start + 1s, 5ms);
  EXPECT_EQ(breaker_state_name(breaker.state(start + 1s)), "closed");
}

}  // namespace
}  // namespace memseal::policy

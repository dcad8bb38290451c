#include "pure/policy/brake.hpp"

#include <gtest/gtest.h>

namespace memseal::policy {
namespace {

using namespace std::chrono_literals;

struct BrakeTest : testing::Test {
  bool refuse(int times) {
    bool engaged = false;
    for (int i = 0; i < times; ++i) engaged = brake.refused(now);
    return engaged;
  }
  void store(int times) {
    for (int i = 0; i < times; ++i) brake.stored(now);
  }

  Brake brake{BrakeRules{.refused_max = 20,
                         .share_percent = 50,
                         .share_refused_min = 5,
                         .window = 60s,
                         .hold_first = 60s,
                         .hold_max = 240s}};
  Brake::TimePoint now{1'000s};
};

TEST_F(BrakeTest, DoesNotHoldForAFewRefusedEvents) {
  EXPECT_FALSE(refuse(4));
  EXPECT_EQ(brake.holds(now), 0s);
}

TEST_F(BrakeTest, EngagesAtTheShareOfAWindow) {
  store(6);
  EXPECT_FALSE(refuse(5)) << "5 of 11 are less than half";
  EXPECT_TRUE(refuse(1)) << "6 of 12 are half";
  EXPECT_EQ(brake.holds(now), 60s);
  EXPECT_EQ(brake.refused_in_window(), 6u);
  EXPECT_EQ(brake.stored_in_window(), 6u);
}

TEST_F(BrakeTest, EngagesAtTheNumberOfAWindowHoweverManyWereStored) {
  store(10'000);
  EXPECT_FALSE(refuse(19));
  EXPECT_TRUE(refuse(1));
}

TEST_F(BrakeTest, ForgetsWhatAnEarlierWindowCounted) {
  store(10'000);
  EXPECT_FALSE(refuse(19));
  now += 60s;
  store(10'000);
  EXPECT_FALSE(refuse(19));
  EXPECT_EQ(brake.holds(now), 0s);
}

TEST_F(BrakeTest, HoldsTwiceAsLongEachTimeInARowUpToTheMost) {
  for (const auto hold : {60s, 120s, 240s, 240s}) {
    EXPECT_TRUE(refuse(5));
    EXPECT_EQ(brake.holds(now), hold);
    now += hold;
    EXPECT_EQ(brake.holds(now), 0s);
  }
}

TEST_F(BrakeTest, HoldsForAShortTimeAgainAfterAQuietWindow) {
  EXPECT_TRUE(refuse(5));
  now += 60s;
  EXPECT_TRUE(refuse(5));
  now += 120s;
  store(1);
  now += 60s;
  store(1);
  EXPECT_TRUE(refuse(5));
  EXPECT_EQ(brake.holds(now), 60s);
}

// Five tries that take 30 s each outlast a window: a window without an event shows nothing.
TEST_F(BrakeTest, HoldsLongerAfterAWindowInWhichNothingHappened) {
  EXPECT_TRUE(refuse(5));
  now += 60s + 150s;
  EXPECT_TRUE(refuse(5));
  EXPECT_EQ(brake.holds(now), 120s);
}

}  // namespace
}  // namespace memseal::policy

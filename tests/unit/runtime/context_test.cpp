#include "runtime/context.hpp"

#include <gtest/gtest.h>

namespace memseal::runtime {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, OnlyEverShrinks) {
  const auto outer = Deadline::after(1s);
  EXPECT_EQ(outer.within(1h).at(), outer.at());
  const auto inner = outer.within(10ms);
  EXPECT_LT(inner.at(), outer.at());
  EXPECT_EQ(inner.within(1h).at(), inner.at());
}

TEST(Deadline, HasNoNegativeTimeLeft) {
  const auto past = Deadline::after(-1h);
  EXPECT_TRUE(past.passed());
  EXPECT_EQ(past.left(), Clock::duration::zero());
  EXPECT_EQ(past.left_ms().count(), 0);
}

TEST(Deadline, NeverIsNeverPassedAndTakesAnyBudget) {
  const auto never = Deadline::never();
  EXPECT_FALSE(never.passed());
  EXPECT_EQ(never.left(), Clock::duration::max());
  EXPECT_LE(never.within(5ms).left(), 5ms);
}

TEST(Deadline, ABudgetWithoutEndChangesNothing) {
  EXPECT_EQ(Deadline::never().within(Deadline::never().left()).at(), Deadline::never().at());
  const auto soon = Deadline::after(1s);
  EXPECT_EQ(soon.within(Deadline::never().left()).at(), soon.at());
  EXPECT_EQ(Deadline::after(Clock::duration::max()).at(), Deadline::never().at());
}

TEST(RequestContext, HandsItsIdAndAShorterDeadlineOn) {
  const RequestContext context{"r-1", Deadline::after(1s)};
  const auto stage = context.within(10ms);
  EXPECT_EQ(stage.id, "r-1");
  EXPECT_LE(stage.deadline.left(), 10ms);
  EXPECT_GT(context.deadline.left(), 500ms);
}

}  // namespace
}  // namespace memseal::runtime

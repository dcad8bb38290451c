// What a rollout does look by look, on a clock of its own.
#include "pure/policy/canary_rollout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace memseal::policy {
namespace {

using enum CanaryStep;

CanaryCounts counts(std::uint64_t all, std::uint64_t cut = 0, std::uint64_t errors = 0,
                    std::uint64_t slow = 0) {
  return {.streams = {cut, all},
          .requests = {errors, all},
          .ttfv = {slow, all},
          .first_results = {all - slow, slow}};
}

CanaryPlan plan(std::vector<int> percents = {10, 50, 100}) {
  CanaryPlan plan;
  for (const int percent : percents)
    plan.stages.push_back({.percent = percent, .min_s = 20, .max_s = 200, .samples_min = 300});
  return plan;
}

/// A rollout and its clock: a look each two seconds.
class Rollout {
 public:
  explicit Rollout(CanaryPlan plan) : rollout(std::move(plan)) {}

  CanaryStep see(CanaryLook look) {
    look.at_s = at_s += 2;
    return rollout.see(look);
  }
  CanaryStep see(CanaryCounts canary, CanaryCounts stable) {
    return see(CanaryLook{.canary = std::move(canary), .stable = std::move(stable)});
  }
  /// Looks without a fault until one is not `stay`.
  CanaryStep go_on(std::uint64_t requests = 100) {
    auto step = stay;
    while (step == stay) step = see(counts(requests), counts(requests));
    return step;
  }
  Guardrail rail(std::string_view name) const {
    for (const auto& one : rollout.guardrails())
      if (one.name == name) return one;
    return {};
  }

  CanaryRollout rollout;
  double at_s = 0;
};

TEST(CanaryRollout, GoesThroughItsStagesAndPromotes) {
  Rollout at(plan());
  EXPECT_EQ(at.rollout.percent(), 10);
  EXPECT_EQ(at.go_on(), advance);
  EXPECT_EQ(at.at_s, 20) << "the least time, because the proof is there before";
  EXPECT_EQ(at.rollout.percent(), 50);
  EXPECT_EQ(at.go_on(), advance);
  EXPECT_EQ(at.go_on(), promote);
  EXPECT_GE(at.at_s, 60);
}

TEST(CanaryRollout, WaitsForSamplesAndGivesUpWithoutThem) {
  Rollout at(plan());
  EXPECT_EQ(at.go_on(1), give_up);
  EXPECT_EQ(at.at_s, 200);
  EXPECT_EQ(at.rail("streams_cut").verdict, Verdict::inconclusive);
  EXPECT_EQ(at.rail("streams_cut").samples, 100u);
}

TEST(CanaryRollout, OneEventOfZeroToleranceEndsItAtOnce) {
  for (const auto& look : {CanaryLook{.canary = counts(0), .rls_errors = 1},
                           CanaryLook{.canary = counts(0), .aad_mismatches = 1},
                           CanaryLook{.canary = counts(0), .findings = 1},
                           CanaryLook{.canary = counts(0), .restarted = true},
                           CanaryLook{.restarted = true}})
    EXPECT_EQ(Rollout(plan()).see(look), roll_back);
}

TEST(CanaryRollout, UnreadMetricsHoldAndThenEndIt) {
  Rollout at(plan());
  for (int look = 0; look < 15; ++look) at.see(counts(100), counts(100));
  at = Rollout(plan());
  EXPECT_EQ(at.see({.stable = counts(9)}), stay);
  EXPECT_EQ(at.see({.stable = counts(9)}), stay);
  EXPECT_EQ(at.see({.stable = counts(9)}), roll_back);
  EXPECT_EQ(at.rail("metrics_unread").verdict, Verdict::breach);
  // Without stable nothing is promoted, and nothing is rolled back either.
  at = Rollout(plan());
  for (int look = 0; look < 90; ++look) EXPECT_EQ(at.see({.canary = counts(100)}), stay);
  EXPECT_EQ(at.go_on(), advance);
}

TEST(CanaryRollout, MetricsThatStandStillAreFound) {
  Rollout at(plan());
  const CanaryLook frozen{.canary = counts(1), .proxied = 50};
  EXPECT_EQ(at.see(frozen), stay);
  EXPECT_EQ(at.see(frozen), stay);
  EXPECT_EQ(at.see(frozen), roll_back);
  at = Rollout(plan());
  for (int look = 0; look < 9; ++look)
    EXPECT_EQ(at.see({.canary = counts(1), .proxied = 9}), stay) << "too few to say";
}

TEST(CanaryRollout, SharesOverTheirLimitsAreFound) {
  struct Case {
    const char* rail;
    CanaryCounts bad;
  };
  for (const auto& [rail, bad] : {Case{"streams_cut", counts(50, 3)},
                                  Case{"errors", counts(50, 0, 3)},
                                  Case{"ttfv_p95_1500ms", counts(50, 0, 0, 12)}}) {
    Rollout at(plan());
    auto step = stay;
    for (int look = 0; look < 20 && step == stay; ++look) step = at.see(bad, counts(50));
    EXPECT_EQ(step, roll_back) << rail;
    EXPECT_EQ(at.rail(rail).verdict, Verdict::breach) << rail;
  }
}

TEST(CanaryRollout, WorseThanStableHoldsIt) {
  for (const bool stops : {false, true}) {
    auto plan_now = plan({50, 100});
    plan_now.limits.regressions_stop = stops;
    plan_now.stages[0].min_s = 190;
    Rollout at(plan_now);
    auto step = stay;
    // 0.35 % cut is within the limit of 0.4 %, and no stable stream was cut.
    for (int look = 1; step == stay; ++look)
      step = at.see(counts(200, look % 20 < 14 ? 1 : 0), counts(200));
    EXPECT_EQ(step, stops ? roll_back : give_up);
    EXPECT_EQ(at.rail("streams_cut_vs_stable").verdict,
              stops ? Verdict::breach : Verdict::warn);
  }
}

TEST(CanaryRollout, SlowerThanStableHoldsIt) {
  Rollout at(plan({50, 100}));
  CanaryCounts slower = counts(100), as_ever = counts(100);
  slower.first_results = {10, 90};
  as_ever.first_results = {50, 50};
  auto step = stay;
  while (step == stay) step = at.see(slower, as_ever);
  EXPECT_EQ(step, give_up);
  EXPECT_EQ(at.rail("ttfv_vs_stable").verdict, Verdict::warn);
}

TEST(CanaryRollout, AColdStartIsNotHeldAgainstTheLatency) {
  auto settled = plan({100});
  settled.settle_s = 10;
  Rollout at(settled);
  for (int look = 0; look < 4; ++look)
    EXPECT_EQ(at.see(counts(50, 0, 0, 50), counts(50)), stay) << "all are slow";
  EXPECT_EQ(at.go_on(200), promote);
  EXPECT_EQ(at.rail("ttfv_p95_1500ms").value, 0);
}

TEST(CanaryRollout, MemoryThatRunsOutIsFound) {
  constexpr double gib = 1 << 30;
  auto limited = plan({100});
  limited.limits.memory_bytes = gib;
  const auto looks_until_end = [&](auto bytes_of) {
    Rollout at(limited);
    for (int look = 0; look < 30; ++look)
      if (at.see({.canary = counts(1), .stable = counts(1), .resident_bytes = bytes_of(look)}) ==
          roll_back)
        return look + 1;
    return 0;
  };
  EXPECT_EQ(looks_until_end([](int) { return 0.95 * gib; }), 2);
  EXPECT_GT(looks_until_end([](int look) { return 0.1 * gib + look * 16e6; }), 0) << "8 MB/s";
  EXPECT_EQ(looks_until_end([](int) { return 0.5 * gib; }), 0);
  EXPECT_EQ(looks_until_end([](int look) { return (0.5 + 0.1 * (look % 2)) * gib; }), 0);
}

TEST(CanaryRollout, GoesOnElsewhereWithWhatItHasSeen) {
  Rollout one(plan());
  one.go_on();
  for (int look = 0; look < 2; ++look) one.see(counts(50, 1), counts(50));
  Rollout other(plan());
  ASSERT_TRUE(other.rollout.restore(one.rollout.save()));
  other.at_s = one.at_s;
  EXPECT_EQ(other.rollout.percent(), 50);
  EXPECT_EQ(other.rollout.save(), one.rollout.save());
  // Half of the evidence was the first one's.
  auto step = stay;
  int looks = 0;
  for (; step == stay; ++looks) step = other.see(counts(50, 2), counts(50));
  EXPECT_EQ(step, roll_back);
  Rollout fresh(plan());
  for (step = stay; step == stay; --looks) step = fresh.see(counts(50, 2), counts(50));
  EXPECT_LT(looks, 0) << "a fresh one needs more looks";
}

TEST(CanaryRollout, RefusesNumbersThatAreNotItsOwn) {
  Rollout at(plan());
  const auto sound = at.rollout.save();
  const auto refused = [&](auto change) {
    auto numbers = sound;
    change(numbers);
    return !Rollout(plan()).rollout.restore(numbers);
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& numbers) { numbers.clear(); }));
  EXPECT_TRUE(refused([](auto& numbers) { numbers.push_back(0); }));
  EXPECT_TRUE(refused([](auto& numbers) { numbers[0] = 3; })) << "there are three stages";
  EXPECT_TRUE(refused([](auto& numbers) { numbers[0] = -1; }));
  EXPECT_TRUE(refused([](auto& numbers) { numbers[0] = 0.5; }));
  EXPECT_TRUE(refused([](auto& numbers) { numbers[1] = 1; })) << "began after the last look";
  EXPECT_TRUE(refused([](auto& numbers) {
    numbers.back() = std::numeric_limits<double>::quiet_NaN();
  }));
}

}  // namespace
}  // namespace memseal::policy

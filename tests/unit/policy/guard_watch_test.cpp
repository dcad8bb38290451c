// Guardrails looked at again and again: what holds, and what is chance.
#include "pure/policy/guard_watch.hpp"

#include <gtest/gtest.h>

#include <random>

namespace memseal::policy {
namespace {

using enum Verdict;

std::vector<Guardrail> share(Verdict verdict) {
  return {{.name = "errors", .verdict = verdict, .limit = 0.005, .samples_min = 2'000}};
}

TEST(GuardWatch, OneBadLookIsChanceAndTwoAreABreachThatStays) {
  GuardWatch watch;
  EXPECT_EQ(watch.see(share(ok)), ok);
  EXPECT_EQ(watch.see(share(breach)), warn);
  EXPECT_EQ(watch.see(share(ok)), warn);
  EXPECT_EQ(watch.see(share(breach)), warn) << "not in a row";
  EXPECT_EQ(watch.see(share(breach)), breach);
  for (int look = 0; look < 10; ++look) EXPECT_EQ(watch.see(share(ok)), breach);
}

TEST(GuardWatch, ZeroToleranceNeedsNoSecondLook) {
  GuardWatch watch;
  EXPECT_EQ(watch.see({{.name = "rls_errors", .verdict = breach, .value = 1}}), breach);
}

TEST(GuardWatch, AWarningEndsAfterThreeCalmLooks) {
  GuardWatch watch;
  watch.see(share(warn));
  EXPECT_EQ(watch.see(share(ok)), warn);
  EXPECT_EQ(watch.see(share(inconclusive)), warn);
  EXPECT_EQ(watch.see(share(ok)), ok);
}

Guardrail measured(double value, std::uint64_t samples) {
  return {.name = "ttfv_p95_1500ms", .verdict = ok, .value = value, .limit = 0.05,
          .samples = samples, .samples_min = 200};
}

TEST(GuardBaseline, WhatIsSurelyWorseIsFoundBelowItsLimitToo) {
  const Baseline baseline{{"ttfv_p95_1500ms", {100, 10'000}}};  // 1 %
  const auto judged = [&](double value, std::uint64_t samples) {
    return against({measured(value, samples)}, baseline).front().verdict;
  };
  EXPECT_EQ(judged(0.01, 5'000), ok);
  EXPECT_EQ(judged(0.0145, 5'000), warn);
  EXPECT_EQ(judged(0.03, 5'000), breach);
  EXPECT_EQ(judged(0.04, 99), ok) << "too few";
  EXPECT_EQ(judged(0.001, 5'000), ok) << "better";
  EXPECT_EQ(against({measured(0.5, 9'000)}, {}).front().verdict, ok) << "no baseline";
}

TEST(GuardBaseline, EqualsSeldomLookWorse) {
  std::mt19937 random(1);
  std::binomial_distribution<int> draw(5'000, 0.02);
  int breaches = 0;
  for (int run = 0; run < 2'000; ++run) {
    const Baseline baseline{{"ttfv_p95_1500ms", {static_cast<std::uint64_t>(draw(random)), 5'000}}};
    const auto judged = against({measured(draw(random) / 5'000.0, 5'000)}, baseline);
    breaches += judged.front().verdict == breach;
  }
  EXPECT_LE(breaches, 10);
}

}  // namespace
}  // namespace memseal::policy

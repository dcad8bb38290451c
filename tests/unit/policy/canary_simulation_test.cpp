// Whole rollouts, drawn by chance: how often a clean release is rolled back, and how soon a broken
// one. MEMSEAL_CANARY_ROLLOUTS=1000 (`make canary-replay`) draws as many as a figure needs.
#include "pure/policy/canary_rollout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>

namespace memseal::policy {
namespace {

/// What a release really is like. Latencies are lognormal; the p95 is 1.10 s.
struct Truth {
  double cut = 0.002, errors = 0.0005;
  double median_s = 0.55, added_s = 0;
};

constexpr double spread = 0.42;

int rollouts(int otherwise) {
  const char* many = std::getenv("MEMSEAL_CANARY_ROLLOUTS");
  return many ? std::atoi(many) : otherwise;
}

class Release {
 public:
  explicit Release(Truth truth) : truth_(truth) {
    double below = 0;
    for (const double edge : {0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.8, 1.5, 3.0, 10.0}) {
      const double at = edge - truth.added_s;
      const double until =
          at <= 0 ? 0 : std::erfc(-std::log(at / truth.median_s) / spread / std::sqrt(2)) / 2;
      shares_.push_back(until - below);
      below = until;
    }
    shares_.push_back(1 - below);
  }

  CanaryCounts draw(std::mt19937_64& random, double mean) const {
    CanaryCounts counts;
    auto left = mean > 0 ? std::poisson_distribution<std::uint64_t>(mean)(random) : 0;
    counts.streams = {draw_of(random, left, truth_.cut), left};
    counts.requests = {draw_of(random, left, truth_.errors), left};
    counts.ttfv.all = left;
    double rest = 1;
    for (const double share : shares_) {
      const auto here = draw_of(random, left, rest > 0 ? std::clamp(share / rest, 0.0, 1.0) : 1);
      counts.first_results.push_back(here);
      left -= here;
      rest -= share;
    }
    for (std::size_t i = 8; i < shares_.size(); ++i) counts.ttfv.bad += counts.first_results[i];
    return counts;
  }

 private:
  static std::uint64_t draw_of(std::mt19937_64& random, std::uint64_t all, double share) {
    if (all == 0 || share <= 0) return 0;
    return std::binomial_distribution<std::uint64_t>(all, share)(random);
  }
  Truth truth_;
  std::vector<double> shares_;
};

CanaryPlan usual_plan() {
  CanaryPlan plan;
  for (const auto& [percent, minutes] : {std::pair{5, 15}, {25, 30}, {100, 60}})
    plan.stages.push_back({.percent = percent,
                           .min_s = minutes * 60.0,
                           .max_s = 14'400,
                           .samples_min = canary_gate(percent, {}).samples_min});
  return plan;
}

struct Ending {
  CanaryStep step = CanaryStep::stay;
  double at_s = 0;
};

/// `fault_at_s`: when the canary becomes what `broken` says.
Ending roll_out(CanaryPlan plan, unsigned seed, double requests_per_s, Truth broken = {},
                double fault_at_s = 0) {
  constexpr double every_s = 2;
  const Release well({}), other(broken);
  std::mt19937_64 random(seed);
  CanaryRollout rollout(std::move(plan));
  for (double at_s = every_s;; at_s += every_s) {
    const double share = rollout.percent() / 100.0, all = requests_per_s * every_s;
    CanaryLook look{.at_s = at_s};
    look.canary = (at_s > fault_at_s ? other : well).draw(random, all * share);
    look.stable = well.draw(random, all * (1 - share));
    const auto step = rollout.see(look);
    if (step != CanaryStep::stay && step != CanaryStep::advance) return {step, at_s};
  }
}

std::map<CanaryStep, int> endings(int count, double requests_per_s, Truth truth = {}) {
  std::map<CanaryStep, int> all;
  for (int i = 0; i < count; ++i)
    ++all[roll_out(usual_plan(), static_cast<unsigned>(i), requests_per_s, truth).step];
  std::printf("%d rollouts at %g/s: %d promoted, %d rolled back, %d inconclusive\n", count,
              requests_per_s, all[CanaryStep::promote], all[CanaryStep::roll_back],
              all[CanaryStep::give_up]);
  return all;
}

TEST(CanarySimulation, CleanReleasesAreSeldomRolledBack) {
  // The bound is 0.9 %; 1.5 % and two by chance.
  const int count = rollouts(10);
  for (const double requests_per_s : {10.0, 100.0}) {
    auto all = endings(count, requests_per_s);
    EXPECT_LE(all[CanaryStep::roll_back], count * 0.015 + (count < 1'000 ? 2 : 0));
    EXPECT_GE(all[CanaryStep::promote], count * 0.98);
  }
}

TEST(CanarySimulation, BrokenReleasesAreRolledBackAndNeverPromoted) {
  const int count = rollouts(12) / 2;
  for (const Truth& truth : {Truth{.cut = 0.01}, Truth{.errors = 0.01}, Truth{.added_s = 0.6}})
    EXPECT_EQ(endings(count, 100, truth)[CanaryStep::roll_back], count);
}

TEST(CanarySimulation, LittleTrafficProvesNothing) {
  const int count = rollouts(12) / 2;
  auto all = endings(count, 0.02);
  EXPECT_EQ(all[CanaryStep::promote], 0);
  EXPECT_EQ(all[CanaryStep::give_up], count);
  // A fault that is beyond doubt is no excuse for a promotion either.
  EXPECT_EQ(endings(count, 0.05, {.cut = 0.05})[CanaryStep::promote], 0);
}

struct Fault {
  const char* name;
  Truth truth;
  double median_s, worst_s;  ///< from the fault to the breach, at 25 requests a second
};

TEST(CanarySimulation, AFaultThatBeginsLateIsFoundAsSoonAsOneFromTheStart) {
  const int count = rollouts(30) / 2;
  constexpr double fault_at_s = 600;
  for (const Fault& fault : {Fault{"5xx 10 %", {.errors = 0.1}, 6, 20},
                             Fault{"5xx 2 %", {.errors = 0.02}, 30, 120},
                             Fault{"cut 5 %", {.cut = 0.05}, 12, 40},
                             Fault{"cut 1.2 %", {.cut = 0.012}, 70, 300},
                             Fault{"slow by 600 ms", {.added_s = 0.6}, 14, 60}}) {
    CanaryPlan endless;
    endless.stages.push_back({.percent = 25, .min_s = 1e6, .max_s = 1e6, .samples_min = 1});
    std::vector<double> took;
    for (int i = 0; i < count; ++i) {
      const auto end = roll_out(endless, static_cast<unsigned>(i), 100, fault.truth, fault_at_s);
      EXPECT_EQ(end.step, CanaryStep::roll_back) << fault.name;
      EXPECT_GT(end.at_s, fault_at_s) << fault.name;
      took.push_back(end.at_s - fault_at_s);
    }
    std::sort(took.begin(), took.end());
    const double median = took[took.size() / 2];
    std::printf("%s: %g s, worst %g s\n", fault.name, median, took.back());
    EXPECT_LE(median, fault.median_s) << fault.name;
    EXPECT_LE(took.back(), fault.worst_s) << fault.name;
  }
}

}  // namespace
}  // namespace memseal::policy

// What breached guardrails begin, and what ends it: a table of looks, and random ones.
#include "pure/policy/guard_actions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace memseal::policy {
namespace {

using enum Verdict;
using enum GuardAction;

constexpr double every_s = 5;

Guardrail errors(Verdict verdict) {
  return {.name = "errors", .verdict = verdict, .limit = 0.005, .samples_min = 2'000};
}
Guardrail rls(Verdict verdict) { return {.name = "rls_errors", .verdict = verdict}; }

/// Looks every five seconds.
struct Looker {
  explicit Looker(GuardRules rules = {}) : actions(rules) {}

  std::vector<GuardMove> see(std::vector<Guardrail> recent, std::vector<Guardrail> calm) {
    at_s += every_s;
    return actions.see({at_s, std::move(recent), std::move(calm)});
  }
  std::vector<GuardMove> see(Verdict verdict, Verdict never = ok) {
    return see({rls(never), errors(verdict)}, {rls(never), errors(verdict)});
  }
  /// Sees the same until the guard moves. Returns the seconds that took; -1: an hour was not
  /// enough.
  double until_move(Verdict verdict, GuardAction action, bool begins) {
    const auto from = at_s;
    while (at_s - from < 3'600) {
      const auto moves = see(verdict);
      if (moves.empty()) continue;
      EXPECT_EQ(moves.size(), 1u);
      EXPECT_EQ(moves.front().action, action);
      EXPECT_EQ(moves.front().begins, begins);
      return at_s - from;
    }
    return -1;
  }
  std::size_t level() const {
    std::size_t wanted = 0;
    for (const auto action : all_guard_actions) wanted += actions.wants(action);
    return wanted;
  }

  GuardActions actions;
  double at_s = 1'000'000;
};

TEST(GuardActions, BeginInOrderHoldEachAndEndInReverse) {
  Looker guard;
  EXPECT_EQ(guard.until_move(breach, rerank_off, true), 10) << "one bad look is chance";
  EXPECT_EQ(guard.until_move(breach, ingest_paused, true), 120);
  EXPECT_EQ(guard.until_move(breach, unready, true), 120);
  EXPECT_EQ(guard.until_move(breach, unready, true), -1) << "there is no further one";
  EXPECT_EQ(guard.actions.causes(), std::vector<std::string>{"errors"});
  EXPECT_EQ(guard.until_move(ok, unready, false), 180);
  EXPECT_EQ(guard.until_move(ok, ingest_paused, false), 180);
  EXPECT_EQ(guard.until_move(ok, rerank_off, false), 180);
  EXPECT_EQ(guard.until_move(ok, rerank_off, false), -1);
  EXPECT_TRUE(guard.actions.causes().empty());
}

TEST(GuardActions, TooFewSamplesBeginNothingAndEndNothing) {
  Looker guard;
  for (int look = 0; look < 1'000; ++look) EXPECT_TRUE(guard.see(inconclusive).empty());
  guard.until_move(breach, rerank_off, true);
  EXPECT_EQ(guard.until_move(inconclusive, rerank_off, false), -1);
  guard.until_move(breach, ingest_paused, true);
  EXPECT_EQ(guard.until_move(inconclusive, ingest_paused, false), -1);
}

TEST(GuardActions, BeingUnreadyTakesItsOwnSamplesAway) {
  Looker guard;
  guard.until_move(breach, rerank_off, true);
  guard.until_move(breach, ingest_paused, true);
  guard.until_move(breach, unready, true);
  EXPECT_EQ(guard.until_move(inconclusive, unready, false), 180) << "a trial";
  for (int look = 0; look < 100; ++look) EXPECT_TRUE(guard.see(inconclusive).empty());
  EXPECT_EQ(guard.until_move(breach, unready, true), 10) << "which failed";
  EXPECT_EQ(guard.until_move(inconclusive, unready, false), 240) << "twice as long";
}

TEST(GuardActions, AWarningAndABadLookBeginTheCalmAgain) {
  Looker guard;
  guard.until_move(breach, rerank_off, true);
  for (int look = 0; look < 40; ++look)
    EXPECT_TRUE(guard.see(look % 30 == 29 ? warn : ok).empty()) << look;
  EXPECT_EQ(guard.until_move(ok, rerank_off, false), 180 - 10 * every_s);
}

TEST(GuardActions, WhatIsBadOnlyOverALongerTimeIsNotCalm) {
  Looker guard;
  guard.until_move(breach, rerank_off, true);
  for (int look = 0; look < 100; ++look) {
    const auto calm = look % 20 == 19 ? breach : ok;
    EXPECT_TRUE(guard.see({errors(inconclusive)}, {errors(calm)}).empty());
  }
}

TEST(GuardActions, WhatOnlyWarnsChangesNothing) {
  Looker guard;
  const Guardrail search{
      .name = "search_p95_250ms", .verdict = breach, .samples_min = 200, .stops = false};
  for (int look = 0; look < 100; ++look) EXPECT_TRUE(guard.see({search}, {search}).empty());
  guard.until_move(breach, rerank_off, true);
  bool ended = false;
  for (int look = 0; look < 100; ++look)
    ended = ended || !guard.see({search, errors(ok)}, {search, errors(ok)}).empty();
  EXPECT_TRUE(ended);
}

TEST(GuardActions, ZeroToleranceTakesEveryActionAtOnceAndHoldsTheLast) {
  Looker guard;
  const auto moves = guard.see(inconclusive, breach);
  ASSERT_EQ(moves.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(moves[i].action, all_guard_actions[i]);
    EXPECT_TRUE(moves[i].begins);
    EXPECT_EQ(moves[i].cause, "rls_errors");
  }
  EXPECT_EQ(guard.actions.held_for_s(unready, guard.at_s), 3'600);
  for (int look = 0; look < 100; ++look) EXPECT_TRUE(guard.see(ok).empty());
  EXPECT_TRUE(guard.see(ok, breach).empty());
  EXPECT_EQ(guard.actions.held_for_s(unready, guard.at_s), 3'600) << "once more";
  EXPECT_EQ(guard.until_move(ok, unready, false), 3'600);
}

TEST(GuardActions, NothingBeyondTheFurthestIsTaken) {
  Looker guard({.furthest = rerank_off});
  guard.until_move(breach, rerank_off, true);
  EXPECT_EQ(guard.until_move(breach, ingest_paused, true), -1);
  EXPECT_TRUE(guard.see(ok, breach).empty());
  EXPECT_EQ(guard.level(), 1u);
}

TEST(GuardActions, WhatComesBackIsHeldTwiceAsLongUpToACap) {
  Looker guard({.hold_s = 300, .hold_max_s = 1'000, .calm_s = 10});
  std::vector<double> holds;
  for (int time = 0; time < 4; ++time) {
    guard.until_move(breach, rerank_off, true);
    holds.push_back(guard.actions.held_for_s(rerank_off, guard.at_s));
    guard.until_move(ok, rerank_off, false);
  }
  EXPECT_EQ(holds, (std::vector<double>{300, 600, 1'000, 1'000}));
  guard.at_s += 1'000;
  guard.until_move(breach, rerank_off, true);
  EXPECT_EQ(guard.actions.held_for_s(rerank_off, guard.at_s), 300) << "long ago";
}

TEST(GuardActions, AnOperatorEndsAnActionAndThoseAfterIt) {
  Looker guard;
  guard.see(ok, breach);
  const auto moves = guard.actions.release(ingest_paused, guard.at_s);
  ASSERT_EQ(moves.size(), 2u);
  EXPECT_EQ(moves[0].action, unready);
  EXPECT_EQ(moves[1].action, ingest_paused);
  EXPECT_EQ(moves[1].cause, "operator");
  EXPECT_TRUE(guard.actions.wants(rerank_off));
  EXPECT_TRUE(guard.actions.release(unready, guard.at_s).empty());
}

TEST(GuardActions, NamesAreReadAsTheyAreWritten) {
  for (const auto action : all_guard_actions)
    EXPECT_EQ(parse_guard_action(guard_action_name(action)), action);
  EXPECT_FALSE(parse_guard_action("everything"));
}

/// A service whose looks are random, with spells of faults.
struct Noise {
  Verdict next() {
    if (random() % 40 == 0) spell = static_cast<Verdict>(random() % 4);
    return random() % 3 == 0 ? static_cast<Verdict>(random() % 4) : spell;
  }
  std::mt19937 random;
  Verdict spell = ok;
};

TEST(GuardActions, UnderNoiseTheOrderHoldsAndEachComesToAnEnd) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    Looker guard;
    Noise noise{std::mt19937(seed)};
    for (int look = 0; look < 2'000; ++look) {
      const auto before = guard.level();
      const bool never = noise.random() % 1'000 == 0;
      const auto moves = guard.see(noise.next(), never ? breach : ok);
      auto level = before;
      for (const auto& move : moves) {
        ASSERT_EQ(index_of(move.action), move.begins ? level : level - 1) << "seed " << seed;
        level += move.begins ? 1 : std::size_t(-1);
      }
      ASSERT_EQ(guard.level(), level);
      ASSERT_TRUE(moves.size() <= 1 || never) << "several only where nothing is tolerated";
      ASSERT_TRUE(moves.empty() || !never || moves.front().begins);
    }
    // Three actions, of which the last may be held for an hour.
    for (int look = 0; look < 2 * 3'600 / every_s && guard.level() > 0; ++look) guard.see(ok);
    ASSERT_EQ(guard.level(), 0u) << "seed " << seed;
    ASSERT_TRUE(guard.actions.causes().empty());
  }
}

TEST(GuardActions, UnderNoiseTransitionsAreBounded) {
  const GuardRules rules{.hold_s = 10, .hold_max_s = 640, .calm_s = 5};
  constexpr int looks = 20'000;
  const double time_s = looks * every_s, doublings = std::log2(rules.hold_max_s / rules.hold_s);
  // A row of holds that double begins again only after hold_max_s without the action. From then on
  // each lasts as long as that.
  const double begins_most = (doublings + 1) * (1 + time_s / rules.hold_max_s);
  for (unsigned seed = 0; seed < 30; ++seed) {
    Looker guard(rules);
    std::mt19937 random(seed);
    std::array<int, all_guard_actions.size()> begins{};
    // The worst that there is: bad as soon as nothing is done, well as soon as it is.
    for (int look = 0; look < looks; ++look)
      for (const auto& move : guard.see(guard.level() > random() % 3 ? ok : breach))
        begins[index_of(move.action)] += move.begins;
    for (const auto count : begins) ASSERT_LE(count, begins_most) << "seed " << seed;
    ASSERT_GT(begins[0], 1);
  }
}

}  // namespace
}  // namespace memseal::policy

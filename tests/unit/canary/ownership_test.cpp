// Who may write to the proxy: an abort, another rollout and a reload come at every moment.
#include "simulated_rollout.hpp"

namespace memseal::canary {
namespace {

using ports::Slot;
using ports::TrafficState;
using policy::CanaryStep;

/// What `memseal canary abort` leaves, another rollout that begins, and one that was promoted.
std::vector<TrafficState> states_of_others() {
  return {{.rollout = "aborted"},
          {.users = 500, .lease_until_s = 1'700'009'999, .rollout = "rollout-2"},
          {.stable = Slot::b, .canary = Slot::a, .rollout = "rollout-2"}};
}

TEST_F(Rollout, DoesNotOverwriteWhoCameDuringTheChecks) {
  world.smoke_requests = 13;
  for (const auto& other : states_of_others()) {
    traffic = {};
    world.smoke = [&]() -> std::optional<std::string> {
      traffic.b.requests += 13;
      traffic.state = other;
      return {};
    };
    const auto outcome = run();
    EXPECT_EQ(outcome.verdict, Verdict::aborted);
    EXPECT_EQ(traffic.state, other) << other.rollout;
    EXPECT_FALSE(gave_users());
  }
}

TEST_F(Rollout, DoesNotOverwriteWhoCameDuringALook) {
  for (const auto step :
       {CanaryStep::stay, CanaryStep::advance, CanaryStep::promote, CanaryStep::roll_back})
    for (const auto& other : states_of_others()) {
      traffic = {};
      canary.rls = 0;
      now_s = 100;
      happens = [&] {
        if (step == CanaryStep::roll_back && now_s > 110) canary.rls = 1;
      };
      record.on_step = [&](CanaryStep taken) {
        if (taken == step) traffic.state = other;
      };
      const auto outcome = run();
      const auto name = std::string(policy::canary_step_name(step)) + " " + other.rollout;
      EXPECT_EQ(traffic.state, other) << name;
      const bool aborted = other.rollout == aborted_rollout;
      EXPECT_EQ(outcome.users_are_off, aborted) << name;
      // Aborted or not, the release broke a promise.
      EXPECT_EQ(outcome.verdict, aborted && step == CanaryStep::roll_back ? Verdict::breach
                                                                          : Verdict::aborted)
          << name;
      ASSERT_FALSE(outcome.reasons.empty());
      if (!aborted) {
        EXPECT_EQ(outcome.reasons.front(), "the proxy follows another rollout now: rollout-2");
      }
    }
}

TEST_F(Rollout, DoesNotWriteBlindWhereTheProxyCannotBeRead) {
  const TrafficState other{.users = 500, .lease_until_s = 1'700'009'999, .rollout = "rollout-2"};
  happens = [&] {
    if (now_s > 110 && now_s < 113) traffic.state = other;
    traffic.unread = now_s > 110 && now_s < 115;
  };
  EXPECT_EQ(run().verdict, Verdict::aborted);
  EXPECT_EQ(traffic.state, other);
  EXPECT_TRUE(record.has("proxy_silent"));
}

TEST_F(Rollout, TakesUsersOffBlindlyWhereTheProxyCannotBeRead) {
  happens = [&] {
    traffic.unread = now_s > 110;
    canary.rls = traffic.unread ? 1 : 0;
  };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::breach);
  EXPECT_TRUE(outcome.users_are_off);
  EXPECT_EQ(traffic.state.users, 0);
}

TEST_F(Rollout, LeavesAnotherRolloutAloneWhereItsOwnRecordFails) {
  const TrafficState other{.stable = Slot::b, .canary = Slot::a, .rollout = "rollout-2"};
  record.fails_at = "checked";
  world.smoke = [&]() -> std::optional<std::string> {
    traffic.state = other;
    return {};
  };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::aborted);
  EXPECT_EQ(traffic.state, other);
  EXPECT_FALSE(outcome.users_are_off);
}

TEST_F(Rollout, EndsWhereItsCanaryIsTheStableSlot) {
  // Another rollout was promoted, its slots were written into the file, and the proxy reloaded.
  const TrafficState promoted{.stable = Slot::b, .canary = Slot::a, .rollout = "none"};
  happens = [&] {
    if (now_s > 110) traffic.state = promoted;
  };
  EXPECT_EQ(run().verdict, Verdict::aborted);
  EXPECT_EQ(traffic.state, promoted);
  traffic = {};
  now_s = 100;
  const auto left = saved_at(130);
  traffic.state = promoted;
  EXPECT_EQ(resume(left).verdict, Verdict::aborted);
  EXPECT_EQ(traffic.state, promoted);
  EXPECT_TRUE(traffic.written.empty());
}

TEST_F(Rollout, SavesItsVerdictBeforeItWaitsForTheLastRequests) {
  std::string left;
  happens = [&] {
    if (now_s > 110) canary.rls = 1;
    if (canary.rls > 0 && traffic.state.users == 0 && left.empty()) left = record.saved;
  };
  EXPECT_EQ(run().verdict, Verdict::breach);
  EXPECT_EQ(parse_state(left).value().verdict, Verdict::breach);
}

TEST_F(Rollout, GivesNoUsersAfterASignal) {
  interrupted = true;
  EXPECT_EQ(run().verdict, Verdict::aborted);
  interrupted = false;
  world.smoke_requests = 13;
  world.smoke = [&]() -> std::optional<std::string> {
    interrupted = true;  // and the rest of the checks is left out
    return {};
  };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::aborted);
  EXPECT_TRUE(outcome.users_are_off);
  EXPECT_FALSE(record.has("stage"));
  EXPECT_FALSE(gave_users());
  interrupted = false;
  world.smoke = {};
  const auto left = saved_at(130);
  interrupted = true;
  EXPECT_EQ(resume(left).verdict, Verdict::aborted);
  EXPECT_FALSE(gave_users());
  interrupted = false;
  record.on_step = [&](CanaryStep step) { interrupted = step == CanaryStep::promote; };
  EXPECT_EQ(run().verdict, Verdict::aborted);
  EXPECT_EQ(traffic.state.stable, Slot::a);
}

}  // namespace
}  // namespace memseal::canary

// How rollouts go, on a simulated clock.
#include "simulated_rollout.hpp"

namespace memseal::canary {
namespace {

TEST_F(Rollout, OfACleanReleaseIsPromoted) {
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::promoted) << outcome.reasons.size();
  EXPECT_EQ(traffic.state.stable, ports::Slot::b);
  EXPECT_EQ(traffic.state.canary, ports::Slot::a);
  EXPECT_EQ(traffic.state.users, 0);
  EXPECT_EQ(record.events, (std::vector<std::string>{"begun", "checked", "stage", "stage",
                                                     "promoting", "ended"}));
  EXPECT_EQ(record.pages, (std::vector<std::string>{"stable-0-begin", "canary-0-begin",
                                                    "stable-0-end", "canary-0-end"}));
  for (const auto& wrote : traffic.written) {
    EXPECT_EQ(wrote.rollout, "rollout-1");
    EXPECT_TRUE(wrote.users == 0 || wrote.users == 1'000 || wrote.users == 10'000);
    EXPECT_EQ(wrote.users > 0, wrote.lease_until_s > 0);
  }
  EXPECT_EQ(parse_state(record.saved).value().verdict, Verdict::promoted);
}

TEST_F(Rollout, EndsWithTheFirstLookAfterABreach) {
  double broke_s = 0;
  happens = [&] {
    if (now_s < 110 || broke_s > 0) return;
    canary.rls = 1;
    broke_s = now_s;
  };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::breach);
  EXPECT_TRUE(outcome.users_are_off);
  EXPECT_EQ(outcome.reasons, (std::vector<std::string>{"rls_errors 1, limit 0"}));
  EXPECT_EQ(outcome.percent, 10);
  EXPECT_EQ(traffic.state.users, 0);
  EXPECT_EQ(traffic.state.lease_until_s, 0);
  EXPECT_EQ(traffic.state.stable, ports::Slot::a);
  EXPECT_LE(record.looks, 6) << "ten seconds, and one look";
}

TEST_F(Rollout, BelievesTheWitnessThatHasSeenMore) {
  happens = [&] { traffic.b.cut = traffic.b.requests / 10; };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::breach) << "the release itself counted no cut";
  EXPECT_TRUE(outcome.reasons.front().starts_with("streams_cut")) << outcome.reasons.front();
}

TEST_F(Rollout, EndsWhereACanaryIsLost) {
  happens = [&] { canary.reachable = now_s < 110; };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::breach);
  EXPECT_EQ(outcome.reasons.back(), "canary does not answer");
  EXPECT_EQ(traffic.state.users, 0);
}

TEST_F(Rollout, EndsWhereACanaryStartsAgain) {
  happens = [&] {
    if (now_s > 110) canary.started_s = 1'100;
  };
  EXPECT_EQ(run().verdict, Verdict::breach);
}

TEST_F(Rollout, EndsBySignalWithoutUsers) {
  happens = [&] { interrupted = now_s > 110; };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::aborted);
  EXPECT_TRUE(outcome.users_are_off);
  EXPECT_EQ(traffic.state.users, 0);
}

TEST_F(Rollout, EndsByAnOrderAndGivesWayToAnotherRollout) {
  for (const auto& [name, off] : {std::pair<std::string, bool>{"aborted", true},
                                  {"rollout-2", false}}) {
    traffic = {};
    now_s = 100;
    happens = [&, name = name] {
      if (now_s > 110) traffic.state.rollout = name;
    };
    const auto outcome = run();
    EXPECT_EQ(outcome.verdict, Verdict::aborted) << name;
    EXPECT_EQ(outcome.users_are_off, off) << "another rollout's users are not this one's";
  }
}

TEST_F(Rollout, HealsAfterAReloadOfTheProxy) {
  bool reloaded = false;
  happens = [&] {
    if (now_s < 110 || reloaded) return;
    reloaded = true;
    traffic.state = {.rollout = "none"};
  };
  EXPECT_EQ(run().verdict, Verdict::promoted);
  EXPECT_TRUE(reloaded);
}

TEST_F(Rollout, TriesAgainWhereTheProxyIsSilent) {
  happens = [&] { traffic.silent = now_s > 110 && now_s < 113; };
  EXPECT_EQ(run().verdict, Verdict::promoted);
  EXPECT_TRUE(record.has("proxy_silent"));
  // Silent for longer, nobody sees what the canary does: it ends, and says what is not confirmed.
  traffic = {};
  now_s = 100;
  happens = [&] { traffic.silent = now_s > 110; };
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::breach);
  EXPECT_FALSE(outcome.users_are_off);
}

TEST_F(Rollout, IsRefusedWithoutWhatItNeeds) {
  canary.reachable = false;
  EXPECT_EQ(run().verdict, Verdict::refused);
  canary.reachable = true;
  traffic.silent = true;
  EXPECT_EQ(run().verdict, Verdict::refused);
  traffic.silent = false;
  traffic.state = {.users = 500, .lease_until_s = 1'700'009'999, .rollout = "rollout-0"};
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::refused);
  EXPECT_NE(outcome.reasons.front().find("rollout-0"), std::string::npos);
  EXPECT_EQ(traffic.state.users, 500) << "the other one goes on";
}

TEST_F(Rollout, AsksTheChecksBeforeTheFirstUser) {
  std::optional<std::string> fault = "smoke checks failed: isolation.search";
  std::uint64_t reach = 13;
  world.smoke_requests = 13;
  world.smoke = [&] {
    EXPECT_EQ(traffic.state.users, 0);
    traffic.b.requests += reach;
    return fault;
  };
  EXPECT_EQ(run().verdict, Verdict::breach);
  EXPECT_FALSE(record.has("stage"));
  reach = 12;
  fault.reset();
  EXPECT_EQ(run().verdict, Verdict::refused) << "they were about the stable release";
  reach = 13;
  EXPECT_EQ(run().verdict, Verdict::promoted);
  traffic.state = {.rollout = "none"};
  world.smoke = [&] {
    traffic.b.requests += reach;
    canary.rls = 1;
    return fault;
  };
  EXPECT_EQ(run().verdict, Verdict::breach) << "the checks themselves showed nothing wrong";
}

TEST_F(Rollout, TakesUsersOffWhereTheRecordFails) {
  record.fails_at = "stage";
  const auto outcome = run();
  EXPECT_EQ(outcome.verdict, Verdict::aborted);
  EXPECT_EQ(traffic.state.users, 0);
  EXPECT_NE(outcome.reasons.front().find("the disk is full"), std::string::npos);
}

TEST_F(Rollout, GoesOnWhereItsControllerWasLost) {
  const auto saved = saved_at(130);
  ASSERT_EQ(parse_state(saved).value().plan.stages[1].percent, 100);
  record.events.clear();
  now_s += 600;  // the lease has ended long ago
  traffic.state = {.users = 1'000, .lease_until_s = 1'700'000'140, .rollout = "rollout-1"};
  EXPECT_EQ(resume(saved).verdict, Verdict::promoted);
  EXPECT_EQ(record.events.front(), "resumed");
  EXPECT_EQ(traffic.state.stable, ports::Slot::b);
}

TEST_F(Rollout, HoldsAgainstACanaryWhatHappenedWhileNobodyLooked) {
  const auto left = saved_at(106);
  canary.rls = 1;
  EXPECT_EQ(resume(left).verdict, Verdict::breach);
  EXPECT_FALSE(gave_users()) << "it judges first";
}

TEST_F(Rollout, DoesNotUndoAPromotionThatItsControllerDidNotTell) {
  std::string left;
  happens = [&] {
    if (now_s > 130 && left.empty()) left = record.saved;
  };
  EXPECT_EQ(run().verdict, Verdict::promoted);
  const auto before = traffic.state;
  EXPECT_EQ(resume(left).verdict, Verdict::promoted);
  EXPECT_EQ(traffic.state, before);
}

}  // namespace
}  // namespace memseal::canary

// Whole rollouts on a simulated clock: a proxy that is a struct, releases that are numbers.
#include "cases/canary/controller.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace memseal::canary {
namespace {

/// A proxy that obeys, unless it is silent.
class FakeTraffic final : public ports::Traffic {
 public:
  ports::TrafficState read() override {
    answer();
    return state;
  }
  void write(const ports::TrafficState& wanted) override {
    answer();
    state = wanted;
    written.push_back(wanted);
  }
  ports::TrafficCounts counts(ports::Slot slot) override {
    answer();
    return slot == ports::Slot::a ? a : b;
  }
  void answer() const {
    if (silent) throw Outage({Errc::unavailable, "the proxy is silent"});
  }

  ports::TrafficState state{.rollout = "none"};
  ports::TrafficCounts a, b;
  std::vector<ports::TrafficState> written;
  bool silent = false;
};

class FakeRecord final : public Record {
 public:
  void note(std::string_view event, const std::vector<Fact>&) override {
    events.emplace_back(event);
    if (event == fails_at) throw Refused({Errc::bad_config, "the disk is full"});
  }
  void save(const State& state) override { saved = print_state(state); }
  void look(const policy::CanaryLook&, policy::CanaryStep, const policy::CanaryRollout&) override {
    ++looks;
  }
  void page(const std::string& name, const std::string&) override { pages.push_back(name); }
  bool has(std::string_view event) const {
    return std::find(events.begin(), events.end(), event) != events.end();
  }

  std::vector<std::string> events, pages;
  std::string saved, fails_at;
  int looks = 0;
};

/// A release that answers 200 requests a second.
struct FakeRelease {
  double started_s = 1'000;
  std::uint64_t requests = 0, cut = 0, errors = 0, rls = 0;
  bool reachable = true;

  std::string page() const {
    const auto line = [](const std::string& series, std::uint64_t value) {
      return series + " " + std::to_string(value) + "\n";
    };
    const std::string ttfv = "memseal_query_ttfv_seconds", all = std::to_string(requests);
    return line("process_start_time_seconds", static_cast<std::uint64_t>(started_s)) +
           line("process_resident_memory_bytes", 100'000'000) +
           line("memory_rls_policy_errors_total", rls) + line("memory_aad_mismatch_total", 0) +
           line("memseal_isolation_findings", 0) + line(ttfv + "_count", requests) +
           line(ttfv + "_bucket{le=\"0.4\"}", requests / 2) +
           line(ttfv + "_bucket{le=\"1.5\"}", requests) +
           line(ttfv + "_bucket{le=\"+Inf\"}", requests) +
           line("memory_query_response_time_ms_count", requests) +
           line("memory_query_response_time_ms_bucket{le=\"1500\"}", requests) +
           line("memseal_query_stage_duration_seconds_count{stage=\"search\"}", requests) +
           line("memseal_query_stage_duration_seconds_bucket{le=\"0.25\",stage=\"search\"}",
                requests) +
           line("memseal_sse_streams_total{outcome=\"completed\"}", requests - cut) +
           line("memseal_sse_streams_total{outcome=\"failed\"}", cut) +
           line("memseal_http_requests_total{code=\"200\"}", requests - errors) +
           line("memseal_http_requests_total{code=\"500\"}", errors) +
           line("memseal_db_pool_busy_seconds_total{pool=\"requests\"}", 0) +
           line("memseal_db_pool_max{pool=\"requests\"}", 4);
  }
};

class Rollout : public ::testing::Test {
 protected:
  static State usual_state() {
    State state{.rollout = "rollout-1",
                .proxy = "nowhere",
                .stable_urls = {"stable"},
                .canary_urls = {"canary"}};
    for (const int percent : {10, 100})
      state.plan.stages.push_back(
          {.percent = percent, .min_s = 20, .max_s = 400, .samples_min = 300});
    return state;
  }

  Rollout() {
    world.page = [this](const std::string& url) -> Result<std::string> {
      const auto& release = url == "stable" ? stable : canary;
      if (!release.reachable) return Error{Errc::unavailable, url + " does not answer"};
      return release.page();
    };
    world.steady_s = [this] { return now_s; };
    world.unix_s = [this] { return static_cast<std::int64_t>(1'700'000'000 + now_s); };
    world.wait_until = [this](double time) {
      pass(time - now_s);
      return !interrupted;
    };
    world.pause = [this](double seconds) { pass(seconds); };
  }

  /// Time goes by; users ask.
  void pass(double seconds) {
    if (seconds <= 0) return;
    now_s += seconds;
    const bool leased = traffic.state.lease_until_s > world.unix_s();
    const double share = leased ? traffic.state.users / 10'000.0 : 0;
    const auto asked = static_cast<std::uint64_t>(200 * seconds);
    const auto here = static_cast<std::uint64_t>(share * 200 * seconds);
    const bool promoted = traffic.state.stable == ports::Slot::b;
    (promoted ? canary : stable).requests += asked - here;
    canary.requests += here;
    traffic.b.requests += promoted ? asked : here;
    if (happens) happens();
  }
  Outcome run() { return Controller(state, traffic, world).run(); }

  State state = usual_state();
  FakeTraffic traffic;
  FakeRecord record;
  World world{.record = record};
  FakeRelease stable, canary;
  double now_s = 100;
  bool interrupted = false;
  std::function<void()> happens;
};

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
  // The controller is lost at 130 s: what it saved last is all there is.
  std::string left;
  happens = [&] {
    if (now_s > 130 && left.empty()) left = record.saved;
    interrupted = !left.empty();
  };
  run();
  const auto saved = parse_state(left).value();
  ASSERT_EQ(saved.plan.stages[1].percent, 100);
  interrupted = false;
  happens = {};
  record.events.clear();
  now_s += 600;  // the lease has ended long ago
  traffic.state = {.users = 1'000, .lease_until_s = 1'700'000'140, .rollout = "rollout-1"};
  EXPECT_EQ(Controller(saved, traffic, world).resume().verdict, Verdict::promoted);
  EXPECT_EQ(record.events.front(), "resumed");
  EXPECT_EQ(traffic.state.stable, ports::Slot::b);
}

TEST_F(Rollout, HoldsAgainstACanaryWhatHappenedWhileNobodyLooked) {
  std::string left;
  happens = [&] {
    if (now_s > 106 && left.empty()) left = record.saved;
    interrupted = !left.empty();
  };
  run();
  interrupted = false;
  happens = {};
  canary.rls = 1;
  traffic.state.rollout = "rollout-1";
  EXPECT_EQ(Controller(parse_state(left).value(), traffic, world).resume().verdict,
            Verdict::breach);
}

TEST_F(Rollout, DoesNotUndoAPromotionThatItsControllerDidNotTell) {
  std::string left;
  happens = [&] {
    if (now_s > 130 && left.empty()) left = record.saved;
  };
  EXPECT_EQ(run().verdict, Verdict::promoted);
  const auto before = traffic.state;
  EXPECT_EQ(Controller(parse_state(left).value(), traffic, world).resume().verdict,
            Verdict::promoted);
  EXPECT_EQ(traffic.state, before);
}

}  // namespace
}  // namespace memseal::canary

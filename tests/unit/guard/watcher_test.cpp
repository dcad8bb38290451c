// The guard of a service, look by look, over pages of metrics that a test writes.
#include "cases/guard/watcher.hpp"
#include "cases/guard/baseline.hpp"

#include <gtest/gtest.h>

namespace memseal::guard {
namespace {

using enum policy::GuardAction;
using Steps = std::vector<std::string>;

/// What a service has counted.
struct Counted {
  std::uint64_t good = 0, bad = 0, rls_errors = 0, aad_mismatches = 0, findings = 0;

  std::string page() const {
    const auto line = [](const std::string& series, std::uint64_t value) {
      return series + " " + std::to_string(value) + "\n";
    };
    return line("process_start_time_seconds", 1'000) +
           line("memory_rls_policy_errors_total", rls_errors) +
           line("memory_aad_mismatch_total", aad_mismatches) +
           line("memseal_isolation_findings", findings) +
           line("memseal_query_ttfv_seconds_count", good) +
           line("memseal_query_ttfv_seconds_bucket{le=\"1.5\"}", good) +
           line("memory_query_response_time_ms_count", good) +
           line("memory_query_response_time_ms_bucket{le=\"1500\"}", good) +
           line("memseal_query_stage_duration_seconds_count{stage=\"search\"}", good) +
           line("memseal_query_stage_duration_seconds_bucket{stage=\"search\",le=\"0.25\"}", good) +
           line("memseal_sse_streams_total{outcome=\"completed\"}", good) +
           line("memseal_http_requests_total{code=\"200\",route=\"/q\"}", good) +
           line("memseal_http_requests_total{code=\"503\",route=\"/q\"}", bad) +
           line("memseal_db_pool_busy_seconds_total{pool=\"requests\"}", 0) +
           line("memseal_db_pool_max{pool=\"requests\"}", 4);
  }
};

/// Looks every 5 s at windows of 10 s; an action is held for 10 s and ends after 10 s of calm.
struct WatcherTest : testing::Test {
  WatcherTest() {
    options.mode = Mode::act;
    options.window = std::chrono::seconds(10);
    options.rules = {.hold_s = 10, .hold_max_s = 40, .calm_s = 10};
    options.limits.requests_min = 20;
  }

  void open() {
    const auto step = [this](const char* name) {
      return
          [this, name](bool begins) { steps.push_back((begins ? "+" : "-") + std::string(name)); };
    };
    watcher.emplace(
        options, [this] { return readable ? now.page() : std::string("nothing 1\n"); },
        Switches{step("rerank"), step("ingest")}, guard_metrics);
    look();
  }
  void look() {
    at_s += 5;
    watcher->look(at_s);
  }
  void good(int looks, std::uint64_t requests = 1'000) {
    for (; looks > 0; --looks) {
      now.good += requests;
      look();
    }
  }
  void bad(int looks) {
    for (; looks > 0; --looks) {
      now.good += 1'000;
      now.bad += 200;
      look();
    }
  }
  double metric(const std::string& line) const {
    const auto text = metrics.render();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }

  WatcherOptions options;
  runtime::Metrics metrics;
  GuardMetrics guard_metrics{metrics};
  Counted now;
  bool readable = true;
  Steps steps;
  std::optional<Watcher> watcher;
  double at_s = 100;
};

TEST_F(WatcherTest, ActsInOrderAndTakesItBackInReverse) {
  open();
  good(10);
  EXPECT_TRUE(steps.empty());
  bad(2);
  EXPECT_EQ(steps, (Steps{"+rerank"}));
  EXPECT_EQ(metric(R"(memseal_guard_action_active{action="rerank_off"})"), 1);
  bad(2);
  EXPECT_EQ(steps, (Steps{"+rerank", "+ingest"}));
  EXPECT_FALSE(watcher->is_unready());
  bad(2);
  EXPECT_TRUE(watcher->is_unready());
  good(20);
  EXPECT_EQ(steps, (Steps{"+rerank", "+ingest", "-ingest", "-rerank"}));
  EXPECT_FALSE(watcher->is_unready());
  EXPECT_EQ(metric(R"(memseal_guard_action_active{action="rerank_off"})"), 0);
  for (const std::string to_cause :
       {R"(cause="errors",mode="act",to="on")", R"(cause="calm",mode="act",to="off")"})
    EXPECT_EQ(metric("memseal_guard_transitions_total{action=\"unready\"," + to_cause + "}"), 1);
}

TEST_F(WatcherTest, WhatWasCountedBeforeAnActionIsNotHeldAgainstItAfterwards) {
  open();
  bad(2);
  good(1, 3'000);
  EXPECT_EQ(policy::verdict_of(watcher->state(at_s).guardrails), policy::Verdict::ok)
      << "though the window holds bad requests";
}

TEST_F(WatcherTest, FewRequestsAreJudgedOverMoreTime) {
  open();
  bad(2);
  good(3, 2);
  EXPECT_EQ(steps, (Steps{"+rerank"})) << "6 requests are too few";
  good(7, 2);
  EXPECT_EQ(steps, (Steps{"+rerank", "-rerank"})) << "20 are not, though no window has so many";
}

TEST_F(WatcherTest, ObservingItSaysWhatItWouldDoAndDoesNothing) {
  options.mode = Mode::observe;
  open();
  bad(10);
  EXPECT_TRUE(steps.empty());
  EXPECT_FALSE(watcher->is_unready());
  EXPECT_EQ(metric(R"(memseal_guard_action_wanted{action="unready"})"), 1);
  EXPECT_EQ(metric(R"(memseal_guard_action_active{action="unready"})"), 0);
  EXPECT_EQ(metric(R"(memseal_guard_transitions_total{action="unready",cause="errors",)"
                   R"(mode="observe",to="on"})"),
            1);
  watcher->set_mode(Mode::act);
  EXPECT_EQ(steps, (Steps{"+rerank", "+ingest"}));
  EXPECT_TRUE(watcher->is_unready());
  watcher->set_mode(Mode::observe);
  EXPECT_EQ(steps, (Steps{"+rerank", "+ingest", "-ingest", "-rerank"}));
  EXPECT_FALSE(watcher->is_unready());
}

TEST_F(WatcherTest, SwitchedOffItForgets) {
  open();
  bad(2);
  watcher->set_mode(Mode::off);
  EXPECT_EQ(steps, (Steps{"+rerank", "-rerank"}));
  bad(10);
  EXPECT_EQ(steps.size(), 2u);
  watcher->set_mode(Mode::act);
  good(2);
  EXPECT_EQ(steps.size(), 2u) << "what it did not look at is not judged";
}

TEST_F(WatcherTest, OneBreachOfIsolationTakesTheProcessOut) {
  for (auto counter : {&Counted::rls_errors, &Counted::aad_mismatches}) {
    steps.clear();
    open();
    good(3);
    ++(now.*counter);
    look();
    EXPECT_TRUE(watcher->is_unready());
    EXPECT_EQ(steps, (Steps{"+rerank", "+ingest"}));
    good(20);
    EXPECT_FALSE(watcher->is_unready());
  }
}

TEST_F(WatcherTest, FindingsOfTheCatalogAreTheReadinessCheckOfTheService) {
  open();
  now.findings = 3;
  good(10);
  EXPECT_TRUE(steps.empty());
}

TEST_F(WatcherTest, WithoutItsMetricsItBeginsAndEndsNothing) {
  open();
  bad(2);
  readable = false;
  good(50);
  EXPECT_EQ(steps, (Steps{"+rerank"}));
  readable = true;
  good(5);
  EXPECT_EQ(steps, (Steps{"+rerank", "-rerank"}));
}

TEST_F(WatcherTest, AnOperatorHoldsAnActionWhateverTheGuardrailsSay) {
  options.mode = Mode::off;
  open();
  watcher->hold(ingest_paused);
  watcher->hold(unready);
  EXPECT_EQ(steps, (Steps{"+ingest"}));
  EXPECT_TRUE(watcher->is_unready());
  watcher->set_mode(Mode::act);
  good(20);
  bad(2);
  good(20);
  EXPECT_EQ(steps, (Steps{"+ingest", "+rerank", "-rerank"}));
  const auto told = watcher->state(at_s).actions;
  EXPECT_EQ(told.at(1).action, ingest_paused);
  EXPECT_TRUE(told.at(1).held_by_operator);
  EXPECT_FALSE(told.at(1).wanted);
  watcher->release(unready, at_s);
  EXPECT_FALSE(watcher->is_unready());
  EXPECT_TRUE(watcher->is_active(ingest_paused));
  watcher->release(rerank_off, at_s);
  EXPECT_EQ(steps.back(), "-ingest");
}

TEST_F(WatcherTest, AnOperatorEndsWhatTheGuardrailsBegan) {
  open();
  bad(6);
  EXPECT_TRUE(watcher->is_unready());
  watcher->release(unready, at_s);
  EXPECT_FALSE(watcher->is_unready());
  EXPECT_EQ(steps, (Steps{"+rerank", "+ingest"}));
  watcher->release(rerank_off, at_s);
  EXPECT_EQ(steps, (Steps{"+rerank", "+ingest", "-ingest", "-rerank"}));
  bad(3);
  EXPECT_EQ(steps.back(), "+rerank") << "a further breach begins it again";
}

TEST_F(WatcherTest, WhatIsSurelyWorseThanTheBaselineCounts) {
  options.limits.errors = 0.5;
  options.baseline = {{"errors", {10, 100'000}}};
  open();
  bad(2);
  EXPECT_EQ(steps, (Steps{"+rerank"}));
  EXPECT_EQ(watcher->state(at_s).causes, std::vector<std::string>{"errors"});
}

TEST(WatcherOptionsTest, ComeFromSettings) {
  Settings settings;
  settings.mode = "act";
  settings.furthest = "ingest_paused";
  settings.clean_windows = 4;
  settings.errors_permille = 20;
  const auto options = watcher_options(settings);
  EXPECT_EQ(options.mode, Mode::act);
  EXPECT_EQ(options.rules.furthest, ingest_paused);
  EXPECT_EQ(options.rules.calm_s, 240);
  EXPECT_EQ(options.limits.errors, 0.02);
  EXPECT_EQ(watcher_options({}).mode, Mode::observe);
  const policy::GuardLimits limits, standard = watcher_options({}).limits;
  EXPECT_EQ(limits.slow, standard.slow);
  EXPECT_EQ(limits.cut, standard.cut);
  EXPECT_EQ(limits.errors, standard.errors);
  EXPECT_EQ(limits.streams_min, standard.streams_min);
}

TEST(BaselineTest, IsTheReportThatGuardCheckPrints) {
  const auto baseline = parse_baseline(
      R"({"verdict":"ok","guardrails":[
          {"name":"errors","verdict":"ok","value":0.25,"limit":1,"samples":40,"samples_min":20},
          {"name":"pool_use","verdict":"ok","value":0.1,"limit":0.85}]})",
      "before.json");
  ASSERT_TRUE(baseline);
  ASSERT_EQ(baseline->size(), 1u);
  EXPECT_EQ(baseline->at("errors").bad, 10u);
  EXPECT_EQ(baseline->at("errors").all, 40u);
  EXPECT_FALSE(parse_baseline("{}", "before.json"));
}

}  // namespace
}  // namespace memseal::guard

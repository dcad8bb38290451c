#pragma once
// Whole rollouts on a simulated clock: a proxy that is a struct, releases that are numbers.
#include "cases/canary/controller.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace memseal::canary {

/// A proxy that obeys, unless it is silent.
class FakeTraffic final : public ports::Traffic {
 public:
  ports::TrafficState read() override {
    answer();
    if (unread) throw Outage({Errc::unavailable, "the proxy cannot be read"});
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
  bool silent = false, unread = false;
};

class FakeRecord final : public Record {
 public:
  void note(std::string_view event, const std::vector<Fact>&) override {
    events.emplace_back(event);
    if (event == fails_at) throw Refused({Errc::bad_config, "the disk is full"});
  }
  void save(const State& state) override { saved = print_state(state); }
  void look(const policy::CanaryLook&, policy::CanaryStep step,
            const policy::CanaryRollout&) override {
    ++looks;
    if (on_step) on_step(step);
  }
  void page(const std::string& name, const std::string&) override { pages.push_back(name); }
  bool has(std::string_view event) const {
    return std::find(events.begin(), events.end(), event) != events.end();
  }

  std::vector<std::string> events, pages;
  std::string saved, fails_at;
  std::function<void(policy::CanaryStep)> on_step;  ///< after a look, before what it leads to
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
  Outcome resume(const std::string& saved) {
    return Controller(parse_state(saved).value(), traffic, world).resume();
  }
  /// What a controller had saved last when it was lost at that time. Afterwards nothing happens.
  std::string saved_at(double time_s) {
    std::string left;
    happens = [&] {
      if (now_s > time_s && left.empty()) left = record.saved;
      interrupted = !left.empty();
    };
    run();
    interrupted = false;
    happens = {};
    traffic.written.clear();
    return left;
  }
  bool gave_users() const {
    return std::any_of(traffic.written.begin(), traffic.written.end(),
                       [](const auto& wrote) { return wrote.users > 0; });
  }

  State state = usual_state();
  FakeTraffic traffic;
  FakeRecord record;
  World world{.record = record};
  FakeRelease stable, canary;
  double now_s = 100;
  bool interrupted = false;
  std::function<void()> happens;
};

}  // namespace memseal::canary

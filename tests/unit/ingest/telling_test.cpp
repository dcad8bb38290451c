// Status events: at least once, and nobody waits for them.
#include "busy_rig.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

struct StatusEvents : BusyRig {
  StatusEvents() {
    options.status_events = true;
    sink.check = [this](const ports::OutRecord& record) {
      if (record.channel != ports::Channel::status) return;
      ++tries;
      if (stuck.size() < stuck_max) stuck.insert(record.key);
      if (away && (stuck_max == 0 || stuck.contains(record.key)))
        throw_failure({Errc::unavailable, "the status topic has no leader"});
    };
  }
  std::size_t told() const { return sink.to(ports::Channel::status).size(); }

  bool away = true;
  std::size_t stuck_max = 0;  ///< of keys whose partition is away; 0: all are
  std::set<std::string> stuck;
  int tries = 0;
};

TEST_F(StatusEvents, HoldNoEventWhileTheStatusTopicIsUnavailable) {
  push({line("alice", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("alice", "1"); });
    for (int i = 2; i < 20; ++i) {
      const auto id = std::to_string(i);
      push({line("alice", id)});
      co_await wait_until([&] { return is_stored("alice", id); });
    }
    co_await wait_until([&] { return source.offsets_settled.size() == 19; });
    EXPECT_TRUE(source.offsets_done.empty()) << "an offset was committed before its status";
    EXPECT_EQ(told(), 0u);
    EXPECT_EQ(metric("memseal_ingest_status_waiting"), 19);
    EXPECT_EQ(metric("memseal_ingest_stalled"), 1);
    away = false;
    co_await wait_until([&] { return source.offsets_done.size() == 19; });
    source.stop();
  });
  EXPECT_EQ(told(), 19u);
  EXPECT_EQ(metric("memseal_ingest_status_waiting"), 0);
  EXPECT_EQ(metric("memseal_ingest_status_lost_total"), 0);
  EXPECT_GT(metric("memseal_ingest_stage_duration_seconds_count{outcome=\"failed\","
                   "stage=\"status\"}"), 0);
}

// One partition of the status topic without a leader must not hold what goes to the others.
TEST_F(StatusEvents, OfAPartitionWithoutALeaderHoldNoOthers) {
  stuck_max = 3;
  push({good("alice", "1"), good("alice", "2"), good("alice", "3")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return stuck.size() == 3 && tries > 3; });
    for (int i = 10; i < 14; ++i) {
      push({good("bob", std::to_string(i))});
      co_await wait_until([&] { return told() == static_cast<std::size_t>(i - 9); });
    }
    away = false;
    co_await wait_until([&] { return source.offsets_done.size() == 7; });
    source.stop();
  });
}

TEST_F(StatusEvents, CommitNothingOfAPartitionThatLeftBeforeItsEventsWereTold) {
  push({line("alice", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return tries > 1; });
    source.take_away("memory.chat.v1", 1);
    away = false;
    co_await wait_until([&] { return metric("memseal_ingest_status_waiting") == 0; });
    source.stop();
  });
  EXPECT_TRUE(is_stored("alice", "1"));
  EXPECT_TRUE(source.offsets_done.empty()) << "the new owner tells it";
  EXPECT_EQ(told(), 0u);
}

TEST_F(StatusEvents, StopReadingWhenTooManyWait) {
  options.status_waiting_max = 4;
  std::vector<ports::Record> first;
  for (int i = 0; i < 6; ++i) first.push_back(good("alice", std::to_string(i)));
  push(std::move(first));
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return tries > 4; });
    const int taken = source.taken;
    for (int i = 10; i < 14; ++i) push({good("bob", std::to_string(i))});
    co_await runtime::pause_for(50ms);
    EXPECT_LE(source.taken, taken + 1);
    away = false;
    co_await wait_until([&] { return source.offsets_done.size() == 10; });
    source.stop();
  });
}

// A failed step takes part in the histograms, so that a wave of timeouts shows.
TEST_F(StatusEvents, CountStepsByTheirOutcome) {
  away = false;
  embedder.faults.next = {Errc::unavailable, Errc::unavailable};
  push({good("alice", "1")});
  run();
  const auto count = [&](const char* outcome) {
    return metric("memseal_ingest_stage_duration_seconds_count{outcome=\"" +
                  std::string(outcome) + "\",stage=\"embed\"}");
  };
  EXPECT_EQ(count("failed"), 2);
  EXPECT_EQ(count("ok"), 1);
}

TEST_F(StatusEvents, MeasureEndToEndByTheBrokersClock) {
  away = false;
  broker_now_ms = [] { return std::int64_t{1'700'000'002'000}; };
  auto by_broker = good("alice", "1");
  by_broker.has_broker_time = true;
  push({by_broker, good("alice", "2")});
  run();
  EXPECT_EQ(metric("memseal_ingest_end_to_end_seconds_sum{clock=\"broker\"}"), 2);
  EXPECT_EQ(metric("memseal_ingest_end_to_end_seconds_count{clock=\"producer\"}"), 1);
}

}  // namespace
}  // namespace memseal::ingest

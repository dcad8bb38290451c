// Partitions that leave while their events wait in each of the queues.
#include "busy_rig.hpp"

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

struct Leaving : BusyRig {
  static ports::Record elsewhere(ports::Record record) {
    record.partition = 1;
    return record;
  }
};

// Events that follow others (repeats, older revisions) must not become ready when those leave with
// them: their tenant would stand twice in the turns of the database.
TEST_F(Leaving, TakesTheTurnsOfAllItsEventsWithIt) {
  embedder.faults.delay = 400ms;
  push({elsewhere(large("bob", "1", 1))});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.calls == 1; });
    push({large("alice", "a"), large("alice", "a"), large("alice", "b"), large("alice", "b")});
    co_await wait_until([&] { return store.looks == 2; });
    co_await runtime::pause_for(5ms);
    EXPECT_EQ(embedder.faults.calls, 1) << "the events of alice wait";
    source.take_away("memory.upload.v1", 0);
    EXPECT_EQ(source.offsets_dropped.size(), 4u);
    embedder.faults.delay = 1ms;
    store.faults.delay = 5ms;
    push({line("alice", "c"), line("alice", "d")});
    co_await wait_until([&] { return is_stored("alice", "d") && is_stored("bob", "1"); });
    source.stop();
  });
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "c"), id_of("alice", "d")}));
}

TEST_F(Leaving, DropsWhatWaitsForTheDatabase) {
  store.faults.delay = 100ms;
  push({good("alice", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return store.faults.calls == 1; });
    push({good("alice", "2"), elsewhere(good("alice", "3"))});
    co_await wait_until([&] { return embedder.faults.finished == 2; });
    co_await runtime::pause_for(5ms);
    source.take_away("memory.upload.v1", 0);
    EXPECT_EQ(source.offsets_dropped, std::vector<std::int64_t>{1}) << "0 is being stored";
    co_await wait_until([&] { return is_stored("alice", "3"); });
    source.stop();
  });
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "1"), id_of("alice", "3")}));
}

TEST_F(Leaving, WritesNoLetterForAnEventThatAnotherProcessHasNow) {
  int tries = 0;
  store.poison = [&](const ports::EventWrite&) {
    if (++tries == limits::event_attempts_max) source.take_away("memory.upload.v1", 0);
    return true;
  };
  push({good("alice", "1")});
  run();
  EXPECT_EQ(tries, limits::event_attempts_max);
  EXPECT_TRUE(sink.records.empty());
  EXPECT_TRUE(source.offsets_done.empty());
  EXPECT_EQ(source.offsets_dropped, std::vector<std::int64_t>{0});
}

TEST_F(Leaving, DropsAnEventThatWaitsForAnEarlierOneOfItsDocument) {
  store.faults.delay = 100ms;
  push({record("alice", upload_of("doc", "alice", "1", "hello", 7)),
        elsewhere(record("alice", upload_of("doc", "alice", "2", "world", 7)))});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return store.faults.calls == 1; });
    source.take_away("memory.upload.v1", 1);
    EXPECT_EQ(source.offsets_dropped, std::vector<std::int64_t>{1});
    co_await wait_until([&] { return is_stored("alice", "1"); });
    source.stop();
  });
  EXPECT_EQ(stored("alice").size(), 1u);
}

}  // namespace
}  // namespace memseal::ingest

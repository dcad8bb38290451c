// What events of one document or of one tenant owe each other, and what they do not take from
// others: order, memory, letters, pace.
#include "busy_rig.hpp"

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

struct Sharing : BusyRig {
  ports::Record version(const std::string& id, const std::string& revision) {
    return record("alice", R"({"specversion":"1.0","id":")" + id +
                               R"(","source":"test","type":"memory.upload.v1","subject":"alice",)"
                               R"("data":{"doc_id":"doc","file":{"mime_type":"text/plain"},)"
                               R"("content":{"encoding":"utf8","data":"hello"})" +
                               revision + "}}");
  }
  std::size_t letters_to(const std::string& user) const {
    const auto letters = sink.letters_of("memory.upload.v1");
    const auto key = tenant(user).hash().to_hex();
    return static_cast<std::size_t>(std::count_if(
        letters.begin(), letters.end(), [&](const auto& letter) { return letter.key == key; }));
  }
  /// The letters of alice fail while `locked`.
  void lock_letters(const bool& locked) {
    sink.check = [this, &locked](const ports::OutRecord& letter) {
      if (locked && letter.key == tenant("alice").hash().to_hex())
        throw_failure({Errc::unavailable, "locked"});
    };
  }
};

TEST_F(Sharing, StoresAnEqualRevisionAfterTheEarlierEventThatWaitsForTheBrake) {
  options.brake = {.refused_max = 1, .share_percent = 100, .share_refused_min = 100,
                   .window = 60s, .hold_first = 200ms, .hold_max = 200ms};
  bool broken = true;
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of("bob", "0") || (broken && write.event_id == id_of("alice", "1"));
  };
  push({good("bob", "0")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return sink.records.size() == 1; });
    push({version("1", R"(,"revision":7)")});
    co_await wait_until([&] { return metric("memseal_ingest_brake") == 1; });
    push({version("2", R"(,"revision":7)"), good("alice", "3")});
    co_await wait_until([&] { return is_stored("alice", "3"); });
    broken = false;
    co_await wait_until([&] { return is_stored("alice", "2"); });
    source.stop();
  });
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "3"), id_of("alice", "1"),
                                                id_of("alice", "2")}));
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST_F(Sharing, StoresAnEqualRevisionAfterTheEarlierOneBecameALetter) {
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of("alice", "1");
  };
  push({version("1", R"(,"revision":7)"), version("2", R"(,"revision":7)")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "2")});
  EXPECT_EQ(letters_to("alice"), 1u);
}

// Each kind of waiting for another event of the document, all in one batch.
TEST_F(Sharing, NeverLetsEventsOfADocumentWaitForEachOtherInACircle) {
  std::vector<ports::Record> records;
  for (int i = 0; i < 24; ++i) {
    const std::string revision = i % 3 == 0 ? "" : ",\"revision\":" + std::to_string(i * 7 % 5);
    records.push_back(version(std::to_string(i), revision));
    if (i % 4 == 0) records.push_back(version(std::to_string(i), revision));
  }
  const auto events = records.size();
  push(std::move(records));
  run();
  EXPECT_EQ(source.offsets_done.size(), events);
  EXPECT_EQ(store.events(), 24u);
}

struct Memory : Sharing {
  Memory() { options.sealing_bytes_max = 20'000; }
  /// The transactions of alice fail while `locked`.
  void lock(const bool& locked) {
    store.poison = [this, &locked](const ports::EventWrite& write) {
      if (locked && write.event_id == id_of("alice", "large"))
        throw_failure({Errc::unavailable, "locked"});
      return false;
    };
  }
};

TEST_F(Memory, LetsSmallEventsPassALargeOneThatDoesNotFit) {
  bool locked = true;
  lock(locked);
  push({large("alice", "large", 20), large("bob", "large", 20), good("carol", "small")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("carol", "small"); });
    co_await runtime::pause_for(5ms);
    EXPECT_FALSE(is_stored("bob", "large"));
    locked = false;
    co_await wait_until([&] { return store.events() == 3; });
    source.stop();
  });
}

TEST_F(Memory, KeepsItForALargeEventThatManyHavePassed) {
  bool locked = true;
  lock(locked);
  push({large("alice", "large", 20), large("bob", "large", 20)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.finished == 10; });
    std::vector<ports::Record> small;
    for (int i = 0; i < 50; ++i) small.push_back(good("user" + std::to_string(i), "small"));
    push(std::move(small));
    co_await wait_until([&] { return store.events() == 32; });
    co_await runtime::pause_for(50ms);
    EXPECT_EQ(store.events(), 32u) << "the others wait for the large event";
    locked = false;
    co_await wait_until([&] { return store.events() == 52; });
    source.stop();
  });
}

TEST_F(Sharing, WritesTheLettersOfOthersWhileThoseOfOneUserAreLocked) {
  bool locked = true;
  lock_letters(locked);
  store.poison = [](const ports::EventWrite&) { return true; };
  push({good("alice", "1"), good("alice", "2")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return sink.faults.calls > 0; });
    push({good("bob", "1")});
    co_await wait_until([&] { return letters_to("bob") == 1; });
    EXPECT_EQ(letters_to("alice"), 0u);
    locked = false;
    co_await wait_until([&] { return letters_to("alice") == 2; });
    source.stop();
  });
}

TEST_F(Sharing, WritesTheLettersOfOthersWhileManyUnreadableEventsOfOneUserAreLocked) {
  options.chunks_per_event_max = 1;
  bool locked = true;
  lock_letters(locked);
  for (int i = 0; i < 40; ++i) push({large("alice", std::to_string(i), 2)});
  push({large("bob", "1", 2)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return letters_to("bob") == 1; });
    EXPECT_EQ(letters_to("alice"), 0u);
    locked = false;
    co_await wait_until([&] { return letters_to("alice") == 40; });
    source.stop();
  });
}

TEST_F(Sharing, KeepsItsPaceAfterAnOutageOfTheEmbedder) {
  options.pace = {.first = 32, .least = 8, .most = 32, .fast = 0ms, .slow = 30ms};
  options.backoff_first = options.backoff_max = 20ms;
  for (int i = 0; i < 8; ++i) embedder.faults.next.push_back(Errc::unavailable);
  push({large("alice", "1", 12)});
  run();
  const auto sizes = embedder.batch_sizes();
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(*std::min_element(sizes.begin(), sizes.end() - 1), 4u);
}

}  // namespace
}  // namespace memseal::ingest

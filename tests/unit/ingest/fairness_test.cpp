// Many records in work at the same time: a large document holds nobody else, the events of a
// document keep their order, and what is not finished is never committed.
#include "busy_rig.hpp"

#include <algorithm>
#include <random>

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

struct Fairness : BusyRig {
  /// Its chunks can be told apart from those of large().
  ports::Record marked(const std::string& user, const std::string& id, int paragraphs,
                       const std::string& topic = "memory.upload.v1") {
    std::string text;
    for (int i = 0; i < paragraphs; ++i) text += "and hello world hello world hello\n\n";
    return record(user, upload(user, id, text), topic);
  }
  /// In the order of the embedder: when a script wakes, a busy machine is further.
  std::vector<bool> marks_embedded() const {
    std::vector<bool> marks;
    for (const auto& text : embedder.texts()) marks.push_back(text.starts_with("and"));
    return marks;
  }
};

TEST_F(Fairness, StoresAChatLineWhileFortyLargeUploadsOfAnotherWait) {
  embedder.faults.delay = 1ms;
  push_large_of_alice(40);
  int before = 0;
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.finished >= 5; });
    EXPECT_TRUE(stored("alice").empty());
    before = embedder.faults.calls;
    push({line("bob", "1")});
    co_await wait_until([&] { return stored("alice").size() == 40; });
    source.stop();
  });
  ASSERT_TRUE(is_stored("bob", "1"));
  EXPECT_LE(calls_before("bob", "1") - before, 40) << "calls of the embedder, of 400";
  EXPECT_GE(embedder.faults.calls, 400);
  EXPECT_EQ(source.offsets_done.size(), 41u);
}

TEST_F(Fairness, StoresAnUploadOfOneUserBetweenTheLargeOnesOfAnother) {
  embedder.faults.delay = 1ms;
  push_large_of_alice(20);
  push({good("bob", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("bob", "1"); });
    source.stop();
  });
  EXPECT_LE(calls_before("bob", "1"), 40) << "of 201";
  EXPECT_EQ(stored("alice").size(), 20u) << "what was taken is finished";
}

TEST_F(Fairness, ABackfillGetsWhatTheUploadsLeaveAndAQuarter) {
  embedder.faults.delay = 1ms;
  options.topic_classes = {{"import.docs", TopicClass::backfill}};
  push({marked("alice", "1", 200, "import.docs"), large("bob", "1", 60)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("alice", "1"); });
    source.stop();
  });
  const auto marks = marks_embedded();
  const auto last_of_bob = std::find(marks.rbegin(), marks.rend(), false).base();
  const auto of_alice = std::count(marks.begin(), last_of_bob, true);
  EXPECT_LT(of_alice, 40) << "of 200, while bob's 60 were embedded; equal shares would be 60";
  EXPECT_GT(of_alice, 5) << "it does not starve";
}

TEST_F(Fairness, DefersWhatIsBeyondTheBudgetOfItsUser) {
  embedder.faults.delay = 1ms;
  options.tenant_budget = policy::BucketRules{100, 3'600};
  // The first takes the budget, whatever it costs; the second is beyond it.
  push({large("alice", "1", 4), large("alice", "2", 60), marked("bob", "1", 60)});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return is_stored("alice", "2") && is_stored("bob", "1"); });
    source.stop();
  });
  EXPECT_EQ(metric("memseal_ingest_over_budget_total"), 1);
  const auto marks = marks_embedded();
  const auto last_of_bob = std::find(marks.rbegin(), marks.rend(), true).base();
  EXPECT_GT(marks.end() - last_of_bob, 30) << "of alice's 60; equal shares would end together";
}

TEST_F(Fairness, MakesWayBetweenTwoEventsThatAreReadOrSealed) {
  std::atomic<int> ways = 0;
  make_way = [&] { ++ways; };
  push({good("alice", "1"), good("alice", "2"), good("bob", "1")});
  run();
  EXPECT_EQ(ways, 6);
}

TEST_F(Fairness, DoesNotStarveUploadsBehindChats) {
  embedder.faults.delay = 1ms;
  int number = 0;
  push({large("alice", "doc", 12)});
  run_with([&]() -> asio::awaitable<void> {
    while (!is_stored("alice", "doc") && number < 3'000) {
      std::vector<ports::Record> lines;
      for (int i = 0; i < 20; ++i) lines.push_back(line("bob", "line" + std::to_string(number++)));
      push(std::move(lines));
      co_await runtime::pause_for(1ms);
    }
    EXPECT_TRUE(is_stored("alice", "doc"));
    EXPECT_LT(stored("bob").size(), static_cast<std::size_t>(number)) << "chats were waiting";
    source.stop();
  });
}

TEST_F(Fairness, KeepsTheOrderOfADocumentAcrossBatchesAndOrigins) {
  const auto revision = [&](std::int64_t number, Origin origin) {
    wire::UploadEvent event{.head = head("alice", "rev-" + std::to_string(number)),
                            .doc_id = DocId::parse("doc").value(),
                            .name = {},
                            .mime_type = "text/plain",
                            .text = long_text(number % 3 == 0 ? 20 : 1),
                            .revision = number,
                            .tags = {},
                            .attributes_json = {},
                            .origin = origin};
    return record("alice", wire::make_upload_event(event));
  };
  for (int number = 1; number <= 30; ++number)
    push({revision(number, number % 2 ? Origin::upload : Origin::api),
          line("alice", "c" + std::to_string(number))});
  embedder.faults.delay = 1ms;
  run();
  std::vector<std::int64_t> revisions;
  std::vector<Uuid> chats, expected;
  for (const auto& write : store.writes_of.at(tenant("alice"))) {
    if (write.origin == Origin::chat) chats.push_back(write.event_id);
    else revisions.push_back(write.revision);
  }
  for (int number = 1; number <= 30; ++number)
    expected.push_back(id_of("alice", "c" + std::to_string(number)));
  EXPECT_EQ(revisions.size(), 30u) << "none was superseded by a later one";
  EXPECT_TRUE(std::is_sorted(revisions.begin(), revisions.end()));
  EXPECT_EQ(chats, expected);
}

TEST_F(Fairness, CommitsNothingBehindAnEventThatIsNotFinished) {
  bool away = true;
  store.poison = [&](const ports::EventWrite& write) {
    if (away && write.event_id == id_of("alice", "1")) throw_failure({Errc::unavailable, "locked"});
    return false;
  };
  push({good("alice", "1"), good("bob", "2"), good("carol", "3")});
  push({good("bob", "4")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return source.records_done == 3; });
    EXPECT_TRUE(source.offsets_done.empty()) << "the first record is not done";
    away = false;
    co_await wait_until([&] { return source.offsets_done.size() == 4; });
    source.stop();
  });
  EXPECT_EQ(source.offsets_done, (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST_F(Fairness, StoresOthersWhileTheRowsOfManyTenantsAreLocked) {
  const auto is_locked = [&](const ports::EventWrite& write) {
    for (int i = 0; i < 10; ++i)
      if (write.event_id == id_of("locked" + std::to_string(i), "1")) return true;
    return false;
  };
  bool locked = true;
  store.poison = [&](const ports::EventWrite& write) {
    if (locked && is_locked(write)) throw_failure({Errc::overloaded, "locked"});
    return false;
  };
  std::vector<ports::Record> records;
  for (int i = 0; i < 10; ++i) records.push_back(good("locked" + std::to_string(i), "1"));
  for (int i = 0; i < 30; ++i) records.push_back(good("u" + std::to_string(i), "1"));
  push(std::move(records));
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return source.records_done == 30; });
    EXPECT_TRUE(source.offsets_done.empty());
    locked = false;
    co_await wait_until([&] { return source.offsets_done.size() == 40; });
    source.stop();
  });
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(Fairness, WritesFewTenantsAtTheSameTime) {
  store.faults.delay = 2ms;
  options.tenants_parallel_max = 3;
  int most = 0;
  store.poison = [&](const ports::EventWrite&) {
    most = std::max(most, store.faults.calls - store.faults.finished);
    return false;
  };
  std::vector<ports::Record> records;
  for (int i = 0; i < 40; ++i) records.push_back(good("u" + std::to_string(i), "1"));
  push(std::move(records));
  run();
  EXPECT_EQ(store.events(), 40u);
  EXPECT_LT(most, 3) << "beside the one that just ended";
}

TEST_F(Fairness, GoesOnWithOthersWhileTheBrakeHolds) {
  options.brake = {.refused_max = 2, .share_percent = 100, .share_refused_min = 100,
                   .window = 60s, .hold_first = 1h, .hold_max = 1h};
  store.poison = [&](const ports::EventWrite& write) { return write.doc_id.value() == "doc-bad"; };
  std::vector<ports::Record> bad;
  for (int i = 0; i < 4; ++i)
    bad.push_back(record("alice", upload_of("doc-bad", "alice", std::to_string(i), "hello", 1)));
  push(std::move(bad));
  source.stop_when_empty = false;
  Worker worker(deps(), options);
  const auto script = [&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return metric("memseal_ingest_brake") == 1; });
    push({good("bob", "1"), record("carol", "garbage")});
    co_await wait_until([&] { return is_stored("bob", "1") && sink.records.size() == 3; });
    throw std::runtime_error("stopped");
  };
  EXPECT_THROW(test::run_to_end(loop, side_by_side(worker.run(), script())), std::runtime_error);
  EXPECT_EQ(source.offsets_done, (std::vector<std::int64_t>{0, 1})) << "two are held back";
}

TEST_F(Fairness, DropsWhatWaitsWhenItsPartitionLeaves) {
  embedder.faults.delay = 5ms;
  for (int i = 0; i < 10; ++i) push({large("alice", std::to_string(i))});
  push({line("bob", "1")});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.calls >= 4; });
    source.take_away("memory.upload.v1", 0);
    push({line("bob", "2")});
    co_await wait_until([&] { return is_stored("bob", "1") && is_stored("bob", "2"); });
    co_await wait_until([&] { return source.offsets_dropped.size() == 10; });
    source.stop();
  });
  EXPECT_TRUE(stored("alice").empty());
  EXPECT_EQ(source.offsets_done.size(), 2u) << "nothing of the partition that left";
  EXPECT_LE(embedder.faults.calls, 12) << "and no more work for it";
}

TEST_F(Fairness, DropsAnEventThatWaitsForTheBrakeWhenItsPartitionLeaves) {
  options.brake = {.refused_max = 1, .share_percent = 100, .share_refused_min = 100,
                   .window = 60s, .hold_first = 1h, .hold_max = 1h};
  store.poison = [](const ports::EventWrite&) { return true; };
  push({good("alice", "1"), good("alice", "2"), good("alice", "3")});
  source.stop_when_empty = false;
  Worker worker(deps(), options);
  const auto script = [&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return metric("memseal_ingest_brake") == 1; });
    source.take_away("memory.upload.v1", 0);
    EXPECT_EQ(source.offsets_dropped.size(), 2u);
    throw std::runtime_error("stopped");
  };
  EXPECT_THROW(test::run_to_end(loop, side_by_side(worker.run(), script())), std::runtime_error);
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST_F(Fairness, DropsAnUploadThatWaitsForANewerOneOfItsDocument) {
  embedder.faults.delay = 5ms;
  push({record("alice", upload_of("doc", "alice", "1", "hello", 1)),
        record("alice", upload_of("doc", "alice", "2", long_text(20), 2)),
        record("alice", upload_of("doc", "alice", "2", long_text(20), 2))});
  run_with([&]() -> asio::awaitable<void> {
    co_await wait_until([&] { return embedder.faults.calls >= 2; });
    source.take_away("memory.upload.v1", 0);
    co_await wait_until([&] { return source.offsets_dropped.size() == 3; });
    source.stop();
  });
  EXPECT_EQ(store.events(), 0u);
}

// Each event takes effect once, whatever fails on its way.
TEST_F(Fairness, LosesAndDoublesNothingUnderFaultsOfEachStep) {
  std::minstd_rand random(11);
  const auto fault = [&](fakes::FaultScript& script) {
    for (int i = 0; i < 40; ++i)
      script.next.push_back(random() % 2 ? Errc::unavailable : Errc::timeout);
  };
  for (auto* script : {&store.faults, &store.look_faults, &keys.faults, &embedder.faults,
                       &sink.faults})
    fault(*script);
  store.replies_lost = 5;
  options.status_events = true;
  options.publish_timeout = 5ms;
  std::size_t events = 0;
  for (int batch = 0; batch < 15; ++batch) {
    std::vector<ports::Record> records;
    for (int i = 0; i < 10; ++i) {
      const auto user = "u" + std::to_string(random() % 5), id = std::to_string(events++);
      if (random() % 4 == 0)
        records.push_back(large(user, id, 10));
      else if (random() % 2 == 0)
        records.push_back(line(user, id));
      else
        records.push_back(good(user, id));
    }
    records.push_back(record("u1", "garbage"));
    push(std::move(records));
  }
  run();
  EXPECT_EQ(store.events(), events);
  std::size_t writes = 0;
  for (const auto& [owner, of_owner] : store.writes_of) writes += of_owner.size();
  EXPECT_EQ(writes, events);
  EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 15u);
  EXPECT_EQ(source.offsets_done.size(), events + 15);
}

}  // namespace
}  // namespace memseal::ingest

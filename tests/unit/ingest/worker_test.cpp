#include "pure/crypto/document_name.hpp"
#include "rig.hpp"
#include "runtime/task_group.hpp"

#include <boost/json.hpp>

#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <thread>

namespace memseal::ingest {
namespace {

using namespace std::chrono_literals;

using WorkerTest = Rig;

TEST_F(WorkerTest, StoresAnUploadSealedForItsOwner) {
  push({good("alice", "1")});
  run();
  const auto& writes = store.writes_of.at(tenant("alice"));
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].event_id, id_of("alice", "1"));
  EXPECT_EQ(writes[0].origin, Origin::upload);
  EXPECT_EQ(writes[0].revision, 1);
  ASSERT_EQ(writes[0].chunks.size(), 1u);
  const auto& chunk = writes[0].chunks[0];
  EXPECT_EQ(
      opened("alice", chunk),
      R"(hello world|{"name":"notes.txt","mime_type":"text/plain","attributes":{"topic":"x"}})");
  EXPECT_EQ(opened("bob", chunk), "(does not open)");
  EXPECT_EQ(chunk.header().model, "fake-embedder");
  EXPECT_EQ(chunk.embedding().size(), 8u);
  EXPECT_EQ(source.offsets_done, (std::vector<std::int64_t>{0}));
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="ingested",type="upload"})"), 1);
}

// Two threads meet: each waits before its first record until the other one has begun.
TEST_F(WorkerTest, ReadsABatchOnSeveralThreads) {
  asio::thread_pool four{4};
  threads = &four;
  std::mutex guard;
  std::condition_variable met;
  std::set<std::thread::id> seen;
  make_way = [&] {
    std::unique_lock lock(guard);
    seen.insert(std::this_thread::get_id());
    met.notify_all();
    met.wait_for(lock, 30s, [&] { return seen.size() >= 2; });
  };
  std::vector<ports::Record> records;
  std::vector<Uuid> expected;
  for (int i = 0; i < 64; ++i) {
    records.push_back(good("alice", std::to_string(i)));
    expected.push_back(id_of("alice", std::to_string(i)));
  }
  push(std::move(records));
  run(60s);
  EXPECT_GE(seen.size(), 2u);
  EXPECT_EQ(stored("alice"), expected) << "in their order all the same";
  four.join();
}

TEST_F(WorkerTest, TakesTheNextBatchWhileTheOneBeforeIsLookedAt) {
  std::vector<int> taken;
  store.after_look = [&] { taken.push_back(source.taken); };
  push({good("alice", "1")});
  push({good("alice", "2")});
  push({good("alice", "3")});
  push({good("alice", "4")});
  run();
  EXPECT_EQ(taken, (std::vector<int>{2, 3, 4, 4})) << "and not more than one ahead";
  EXPECT_EQ(stored("alice").size(), 4u);
}

TEST_F(WorkerTest, SealsTheNameOfADocument) {
  push({good("alice", "1")});
  run();
  const auto owner = tenant("alice");
  const auto& write = store.writes_of.at(owner).at(0);
  const crypto::SealBinding place{crypto::document_object(ids, owner, write.doc_id.value()),
                                  write.doc_id.value(), 0};
  const auto name = crypto::Sealer::open(owner, *fakes::TenantKeys::key_of(owner),
                                         crypto::Field::document_name, place,
                                         write.document_name_cipher);
  ASSERT_TRUE(name);
  EXPECT_EQ(std::string(name->view().begin(), name->view().end()), "notes.txt");
}

TEST_F(WorkerTest, GivesAReplayTheSameChunkIds) {
  const auto first = good("alice", "1");
  push({first});
  run();
  const auto before = store.writes_of.at(tenant("alice")).at(0).chunks.at(0).header().id;
  store.ledger.clear();
  push({first});
  run();
  EXPECT_EQ(store.writes_of.at(tenant("alice")).at(1).chunks.at(0).header().id, before);
}

TEST_F(WorkerTest, KeepsTheOrderOfEachUser) {
  std::vector<ports::Record> records;
  std::vector<Uuid> of_alice, of_bob;
  for (int i = 0; i < 40; ++i) {
    const auto id = std::to_string(i);
    const std::string user = i % 3 == 0 ? "bob" : "alice";
    records.push_back(good(user, id));
    (user == "bob" ? of_bob : of_alice).push_back(id_of(user, id));
  }
  push(std::move(records));
  store.faults.next = {Errc::unavailable, Errc::timeout};
  run();
  EXPECT_EQ(stored("alice"), of_alice);
  EXPECT_EQ(stored("bob"), of_bob);
}

TEST_F(WorkerTest, EmbedsABatchInFewCalls) {
  options.embed_chunks_max = 16;
  std::vector<ports::Record> records;
  for (int i = 0; i < 40; ++i) records.push_back(good("u" + std::to_string(i), std::to_string(i)));
  push(std::move(records));
  run();
  EXPECT_EQ(embedder.batch_sizes(), (std::vector<std::size_t>{16, 16, 8}));
  EXPECT_EQ(store.events(), 40u);
}

TEST_F(WorkerTest, GivesTheEmbedderTheTextOfItsTokens) {
  push({good("alice", "1")});
  run();
  EXPECT_EQ(embedder.texts(), std::vector<std::string>{"hello world"});
}

TEST_F(WorkerTest, CountsAReplayAsADuplicate) {
  push({good("alice", "1"), good("alice", "1")});
  run();
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_EQ(source.offsets_done.size(), 2u);
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="duplicate",type="upload"})"), 1);
}

TEST_F(WorkerTest, AppliesAnEventOnceWhenTheReplyToItsCommitIsLost) {
  store.replies_lost = 2;
  push({good("alice", "1"), good("alice", "2")});
  run();
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "1"), id_of("alice", "2")}));
  EXPECT_EQ(source.offsets_done.size(), 2u);
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(WorkerTest, WaitsOutEveryDependencyAndDropsNothing) {
  for (int i = 0; i < 20; ++i) {
    store.faults.next.push_back(i % 2 ? Errc::unavailable : Errc::overloaded);
    keys.faults.next.push_back(Errc::timeout);
    embedder.faults.next.push_back(Errc::unavailable);
    sink.faults.next.push_back(Errc::unavailable);
  }
  push({good("alice", "1"), record("alice", "{not json"), good("bob", "2")});
  run();
  EXPECT_EQ(store.events(), 2u);
  EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 1u);
  EXPECT_EQ(source.offsets_done.size(), 3u);
  EXPECT_GE(metric("memseal_ingest_retries_total"), 60);
  EXPECT_EQ(metric("memseal_ingest_stalled"), 0);
}

asio::awaitable<void> stop_soon(runtime::TaskGroup& tasks, std::chrono::milliseconds after) {
  co_await runtime::pause_for(after);
  tasks.cancel();
}

asio::awaitable<void> run_and_cancel(Worker& worker, std::chrono::milliseconds after) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(worker.run());
  tasks.spawn(stop_soon(tasks, after));
  co_await tasks.join();
}

TEST_F(WorkerTest, LeavesABatchUndoneWhenCancelledDuringAnOutage) {
  options.backoff_max = 10s;
  options.backoff_first = 10s;
  store.faults.error = Error{Errc::unavailable, "away"};
  source.stop_when_empty = false;
  push({good("alice", "1")});
  Worker worker(deps(), options);
  const auto start = std::chrono::steady_clock::now();
  test::run_to_end(loop, run_and_cancel(worker, 100ms));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  EXPECT_TRUE(source.offsets_done.empty());
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(WorkerTest, EndsWhenCancelledWhileItWaitsForRecords) {
  source.stop_when_empty = false;
  Worker worker(deps(), options);
  test::run_to_end(loop, run_and_cancel(worker, 20ms), 5s);
  EXPECT_EQ(source.taken, 0);
}

TEST_F(WorkerTest, SkipsEventsOfAnErasedTenant) {
  keys.erased.insert(tenant("alice"));
  store.erased.insert(tenant("bob"));
  push({good("alice", "1"), good("bob", "2"), good("carol", "3"), record("alice", "{broken")});
  run();
  EXPECT_EQ(store.events(), 1u);
  EXPECT_TRUE(sink.records.empty()) << "nothing of an erased tenant is kept, sealed or not";
  EXPECT_EQ(source.offsets_done.size(), 4u);
  EXPECT_EQ(metric(R"(memseal_ingest_events_total{outcome="erased",type="upload"})"), 2);
}

TEST_F(WorkerTest, TellsWhatBecameOfEachEventWithoutItsContent) {
  options.status_events = true;
  push({good("alice", "1"), record("alice", "{broken")});
  run();
  const auto told = sink.to(ports::Channel::status);
  ASSERT_EQ(told.size(), 2u);
  std::map<std::string, boost::json::object> by_type;
  for (const auto& record : told) {
    EXPECT_EQ(record.value.find("alice"), std::string::npos);
    EXPECT_EQ(record.value.find("hello"), std::string::npos);
    auto event = boost::json::parse(record.value).as_object();
    by_type[std::string(event.at("type").as_string())] = event.at("data").as_object();
  }
  EXPECT_EQ(by_type.at("dev.memseal.memory.ingested.v1").at("event_id"), "1");
  EXPECT_EQ(by_type.at("dev.memseal.memory.ingested.v1").at("chunks"), 1);
  EXPECT_EQ(by_type.at("dev.memseal.memory.failed.v1").at("error_code"), "bad_event");
}

TEST_F(WorkerTest, GoesOnWhenAStatusEventIsRefusedForGood) {
  options.status_events = true;
  options.setup_patience = std::chrono::milliseconds(0);
  sink.check = [](const ports::OutRecord&) { throw Refused({Errc::bad_config, "denied"}); };
  push({good("alice", "1")});
  run();
  EXPECT_EQ(source.offsets_done.size(), 1u);
  EXPECT_EQ(metric("memseal_ingest_status_lost_total"), 1);
}

TEST_F(WorkerTest, TakesEachOfManyEventsToEffectOnceUnderRandomFaults) {
  std::minstd_rand random(7);
  const auto faults = [&](fakes::FaultScript& of) {
    for (int i = 0; i < 60; ++i)
      of.next.push_back(random() % 2 ? Errc::unavailable : Errc::timeout);
  };
  faults(store.faults);
  faults(keys.faults);
  faults(embedder.faults);
  store.replies_lost = 10;
  std::size_t events = 0;
  for (int batch = 0; batch < 20; ++batch) {
    std::vector<ports::Record> records;
    for (int i = 0; i < 25; ++i)
      records.push_back(good("u" + std::to_string(random() % 6), std::to_string(events++)));
    push(std::move(records));
  }
  run();
  EXPECT_EQ(store.events(), events);
  std::size_t writes = 0;
  for (const auto& [owner, of_owner] : store.writes_of) writes += of_owner.size();
  EXPECT_EQ(writes, events) << "no event took effect twice";
  EXPECT_EQ(source.offsets_done.size(), events);
  EXPECT_TRUE(std::is_sorted(source.offsets_done.begin(), source.offsets_done.end()));
}

}  // namespace
}  // namespace memseal::ingest

// A fault of the set-up met at run time: an operator must act, so the worker ends and no event is
// stored half, skipped or dead-lettered for it.
#include "rig.hpp"

#include <algorithm>

namespace memseal::ingest {
namespace {

struct SetupFault : Rig {
  SetupFault() { options.setup_patience = std::chrono::milliseconds(0); }

  /// The code with which the worker ended; nothing when it ended by itself.
  std::optional<Errc> run_to_failure() {
    try {
      run();
    } catch (const Refused& refused) {
      return refused.error().code;
    }
    return std::nullopt;
  }
  void expect_nothing_done(std::string_view code) const {
    EXPECT_TRUE(sink.records.empty()) << code << ": no event is to blame";
    EXPECT_TRUE(store.failures.empty()) << code;
    EXPECT_TRUE(source.offsets_done.empty()) << code << ": Kafka must deliver the batch again";
  }
};

TEST_F(SetupFault, EndsTheWorkerAndTheBatchIsDoneAfterTheFix) {
  int number = 0;
  for (const auto& row : errc_table) {
    if (!row.setup()) continue;
    for (auto* faults : {&embedder.faults, &keys.faults, &store.faults}) {
      const auto user = "user" + std::to_string(++number);
      const std::vector<ports::Record> batch{good(user, "1"), good(user, "2"), good(user, "3")};
      source.offsets_done.clear();
      faults->next = {row.code};
      push(batch);
      EXPECT_EQ(run_to_failure(), row.code) << row.name;
      expect_nothing_done(row.name);
      push(batch);
      run();
      EXPECT_EQ(stored(user),
                (std::vector<Uuid>{id_of(user, "1"), id_of(user, "2"), id_of(user, "3")}));
      EXPECT_EQ(source.offsets_done.size(), 3u);
    }
  }
  EXPECT_EQ(number, 3 * 7) << "seven codes stand for a fault of the set-up";
  EXPECT_EQ(metric("memseal_ingest_isolations_total"), 0);
}

TEST_F(SetupFault, EndsTheWorkerWhileItLooksForAPoisonEvent) {
  const auto poison = id_of("alice", "1");
  store.poison = [&](const ports::EventWrite& write) {
    if (write.event_id == poison) store.faults.next = {Errc::not_migrated};  // the next call
    return write.event_id == poison;
  };
  push({good("alice", "1"), good("alice", "2")});
  EXPECT_EQ(run_to_failure(), Errc::not_migrated);
  expect_nothing_done("not_migrated");
}

// One tenant's key that this keyring cannot open must not stop everybody.
TEST_F(SetupFault, IsNotAKeyThatIsMissingForOneTenant) {
  for (const auto code : {Errc::key_missing, Errc::key_invalid}) {
    keys.faults.next = {code};
    sink.records.clear();
    push({record("alice", "garbage"), good("bob", std::string(errc_name(code)))});
    EXPECT_EQ(run_to_failure(), std::nullopt);
    EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 1u);
    EXPECT_EQ(stored("bob").size(), code == Errc::key_missing ? 1u : 2u);
  }
}

TEST_F(SetupFault, PublishesALetterOnceWhenItsOperationCannotBeRecorded) {
  options.chunks_per_event_max = 0;
  store.faults.next = {Errc::bad_config};
  push({good("alice", "1")});
  EXPECT_EQ(run_to_failure(), std::nullopt);
  EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 1u);
  EXPECT_EQ(source.offsets_done.size(), 1u);
}

TEST_F(SetupFault, IsWaitedForOnceByABatchOfManyTenants) {
  options.setup_patience = std::chrono::milliseconds(5);
  options.backoff_first = options.backoff_max = std::chrono::milliseconds(5);
  store.faults.next = std::deque<Errc>(100'000, Errc::bad_config);
  std::vector<ports::Record> batch;
  for (int i = 0; i < 64; ++i) batch.push_back(good("user" + std::to_string(i), "1"));
  push(batch);
  EXPECT_EQ(run_to_failure(), Errc::bad_config);
  // Four tenants are written at the same time; the other 60 would wait at least once each.
  EXPECT_LT(metric("memseal_ingest_retries_total"), 60);
  expect_nothing_done("bad_config");
}

TEST_F(SetupFault, IsWaitedForWhileAnOperatorMayBeAtWork) {
  options.setup_patience = std::chrono::minutes(5);
  for (auto* faults : {&embedder.faults, &keys.faults, &store.faults})
    faults->next = {Errc::bad_config, Errc::not_migrated, Errc::unavailable, Errc::bad_config};
  push({good("alice", "1"), good("alice", "2")});
  EXPECT_EQ(run_to_failure(), std::nullopt);
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "1"), id_of("alice", "2")}));
  EXPECT_TRUE(sink.records.empty());
  EXPECT_EQ(source.offsets_done.size(), 2u);
  EXPECT_EQ(metric("memseal_ingest_isolations_total"), 0);
}

TEST_F(SetupFault, IsNotWaitedForWithoutEnd) {
  options.setup_patience = std::chrono::milliseconds(50);
  store.faults.next = std::deque<Errc>(100'000, Errc::bad_config);
  push({good("alice", "1")});
  EXPECT_EQ(run_to_failure(), Errc::bad_config);
  expect_nothing_done("bad_config");
  EXPECT_GT(metric("memseal_ingest_retries_total"), 0);
}

TEST_F(SetupFault, IsNotWhatOneEventIsRefusedFor) {
  embedder.faults.next = std::deque<Errc>(1 + limits::event_attempts_max, Errc::internal);
  push({good("alice", "1")});
  EXPECT_EQ(run_to_failure(), std::nullopt);
  EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 1u);
  EXPECT_EQ(source.offsets_done.size(), 1u);
}

}  // namespace
}  // namespace memseal::ingest

// What becomes of the records of the audit log while the database is well, slow, or away.
#include "cases/auditing/auditor.hpp"

#include "fakes/audit_log.hpp"
#include "runtime/condition.hpp"
#include "support/run_loop.hpp"

#include <gmock/gmock.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace memseal::test {
namespace {

using auditing::Scope;
using auditing::Weight;
using namespace std::chrono_literals;

audit::Event event_of(std::string action) {
  audit::Event event;
  event.action = std::move(action);
  return event;
}

class AuditorTest : public ::testing::Test {
 protected:
  auditing::Auditor make() {
    return {log, counts, audit::Marks(SecretBytes(Bytes(32, 1))), options};
  }
  void drain(auditing::Auditor& auditor) {
    run_to_end(loop, auditor.drain({"test", runtime::Deadline::after(30s)}));
  }
  std::vector<std::string> actions() const {
    std::vector<std::string> names;
    for (const auto& event : log.written) names.push_back(event.action);
    return names;
  }

  asio::io_context loop{1};
  fakes::AuditLog log;
  runtime::Metrics metrics;
  auditing::AuditMetrics counts{metrics};
  auditing::AuditorOptions options;
};

TEST_F(AuditorTest, WritesInOrderAndInBatchesAndSignsTheEnd) {
  options.batch_max = 4;
  auto auditor = make();
  for (int i = 0; i < 10; ++i) auditor.note(Weight::read, event_of(std::to_string(i)));
  EXPECT_TRUE(log.written.empty());  // A request waits for no write.
  drain(auditor);
  EXPECT_THAT(log.batches, testing::ElementsAre(4, 4, 2));
  EXPECT_EQ(actions().front(), "0");
  EXPECT_EQ(actions().back(), "9");
  EXPECT_EQ(counts.written.Value(), 10);
  EXPECT_EQ(log.checkpoints, 1);
}

TEST_F(AuditorTest, AFullQueueLosesReadsFirstAndTheLogSaysHowMany) {
  options.waiting_max = 8;
  auto auditor = make();
  for (int i = 0; i < 9; ++i) auditor.note(Weight::read, event_of("read"));      // six fit
  for (int i = 0; i < 3; ++i) auditor.note(Weight::change, event_of("change"));  // two fit
  for (int i = 0; i < 2; ++i) auditor.note(Weight::order, event_of("order"));    // both stay
  EXPECT_EQ(counts.lost.Value(), 4);
  drain(auditor);
  EXPECT_EQ(log.of("read").size(), 6u);
  EXPECT_EQ(log.of("change").size(), 2u);
  EXPECT_EQ(log.of("order").size(), 2u);
  ASSERT_EQ(log.of("audit.lost").size(), 1u);
  EXPECT_EQ(log.of("audit.lost")[0].count, 4);
}

// The queue is bounded by records, so a record must be bounded too.
TEST_F(AuditorTest, ARecordThatWaitsHoldsHashesOfTheFirstIdsAlone) {
  const audit::Marks marks(SecretBytes(Bytes(32, 1)));
  const auto ada =
      crypto::TenantKeyer(SecretBytes(Bytes(32, 2))).tenant_of(UserId::parse("ada").value());
  auto auditor = make();
  auto event = event_of("memory.list");
  event.who = ada;
  for (int i = 0; i < 1'000; ++i) event.documents.push_back("salary-" + std::to_string(i));
  auditor.note(Weight::read, event);
  drain(auditor);
  ASSERT_EQ(log.written.size(), 1u);
  const auto& kept = log.written[0];
  EXPECT_TRUE(kept.documents.empty());
  EXPECT_EQ(kept.marks.size(), audit::documents_max * audit::document_mark_bytes);
  EXPECT_EQ(kept.count, 1'000);
  audit::ChainHead early, late;
  EXPECT_EQ(audit::chained(marks, early, {kept})[0].link,
            audit::chained(marks, late, {event})[0].link)
      << "the record is the same";
}

TEST_F(AuditorTest, KeepsWhatCannotBeWrittenAndItsOrder) {
  options.every = options.retry = 1ms;
  options.waiting_max = 4;
  auto auditor = make();
  for (int i = 0; i < 5; ++i) auditor.note(Weight::change, event_of(std::to_string(i)));
  log.faults.next = {Errc::unavailable, Errc::timeout};
  const auto until_written = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 5'000 && log.written.size() < 5; ++i) co_await runtime::pause_for(1ms);
    loop.stop();
  };
  asio::co_spawn(loop, auditor.run(), asio::detached);
  asio::co_spawn(loop, until_written(), asio::detached);
  loop.run();
  EXPECT_THAT(actions(), testing::ElementsAre("0", "1", "2", "3", "audit.lost"));
  EXPECT_EQ(log.of("audit.lost")[0].count, 1);
  EXPECT_EQ(counts.failures.Value(), 2);
  EXPECT_EQ(counts.waiting.Value(), 0);
}

TEST_F(AuditorTest, AGuardedActionIsRefusedWhereItCannotBeWritten) {
  auto auditor = make();
  std::vector<Errc> codes;
  const auto commit = [&]() -> asio::awaitable<void> {
    try {
      const runtime::RequestContext context{"test"};
      co_await auditor.commit(context, event_of("person.erase"));
    } catch (const Failure& failed) {
      codes.push_back(failed.error().code);
    }
  };
  run_to_end(loop, commit());
  EXPECT_EQ(log.written.size(), 1u);
  log.faults.next = {Errc::timeout, Errc::not_migrated};
  run_to_end(loop, commit());
  run_to_end(loop, commit());
  EXPECT_THAT(codes, testing::ElementsAre(Errc::unavailable, Errc::unavailable));
  EXPECT_EQ(counts.refused.Value(), 2);
}

TEST_F(AuditorTest, WhatCannotBeWrittenAtTheEndIsCountedAsLost) {
  auto auditor = make();
  auditor.note(Weight::change, event_of("change"));
  log.faults.error = Error{Errc::unavailable, "a fault of the test"};
  drain(auditor);
  EXPECT_EQ(counts.lost.Value(), 1);
}

TEST_F(AuditorTest, TheSettingLeavesOutWhatOnlyReadsOrEverything) {
  options.scope = auditing::parse_scope("changes");
  auto changes = make();
  changes.note(Weight::read, event_of("read"));
  changes.note(Weight::change, event_of("change"));
  run_to_end(loop, changes.commit({"test"}, event_of("guarded")));
  drain(changes);
  EXPECT_THAT(actions(), testing::UnorderedElementsAre("change", "guarded"));
  options.scope = Scope::none;
  auto none = make();
  none.note(Weight::order, event_of("order"));
  run_to_end(loop, none.commit({"test"}, event_of("guarded")));
  drain(none);
  EXPECT_EQ(log.written.size(), 2u);
  EXPECT_EQ(log.checkpoints, 1);  // of the first one
}

// A process that signs holds the lock for a moment, a stranger for longer.
TEST_F(AuditorTest, TellsWhoKeepsEverybodyFromSigning) {
  options.every = 1ms;
  options.checkpoint_every = 0s;
  log.held_by = "session 7 of role eve";
  auto auditor = make();
  asio::cancellation_signal stop;
  asio::co_spawn(loop, auditor.run(),
                 asio::bind_cancellation_slot(stop.slot(), asio::detached));
  const auto run_until = [&](const auto& seen) {
    for (int i = 0; i < 30'000 && !seen(); ++i) loop.run_one_for(10ms);
    return seen();
  };
  EXPECT_TRUE(run_until([&] { return log.checkpoints == 1; }));
  EXPECT_EQ(counts.blocked.Value(), 0);
  EXPECT_TRUE(run_until([&] { return counts.blocked.Value() == 1; }));
  EXPECT_EQ(counts.checkpoint_at.Value(), 0);
  log.held_by.clear();
  EXPECT_TRUE(run_until([&] { return counts.blocked.Value() == 0; }));
  EXPECT_GT(counts.checkpoint_at.Value(), 0);
  stop.emit(asio::cancellation_type::terminal);
  loop.run();
}

}  // namespace
}  // namespace memseal::test

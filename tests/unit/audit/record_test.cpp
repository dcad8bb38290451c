// The chain of the audit log: whatever is done to a log after it was written is found.
#include "pure/audit/checkpoint.hpp"

#include "pure/crypto/keyring.hpp"
#include "support/test_key.hpp"

#include <gmock/gmock.h>

#include <functional>

namespace memseal::test {
namespace {

using audit::Checkpoint;
using audit::CheckpointKind;
using audit::Event;
using audit::Finding;
using audit::LogJudge;
using audit::Record;
using testing::ElementsAre;
using testing::IsEmpty;

Uuid uuid_of(int number) {
  Uuid id;
  id.bytes[15] = static_cast<std::uint8_t>(number);
  return id;
}

/// A log of two chains of ten records, with a checkpoint of each at its end.
struct Log {
  std::vector<Checkpoint> checkpoints;
  std::vector<Record> records;
};

class AuditChain : public ::testing::Test {
 protected:
  crypto::Keyring keyring =
      crypto::Keyring::from_keys(test_key_hex(1), test_key_hex(2), test_key_hex(3)).value();
  audit::Marks marks{keyring.audit_key()};
  crypto::SigningKey signer = keyring.audit_signer();

  crypto::Tenant tenant(const std::string& user) const {
    return keyring.tenant_keyer().tenant_of(UserId::parse(user).value());
  }
  Event event(int number) const {
    return {.action = "memory.query",
            .at_ms = 1'790'000'000'000 + number,
            .status = 200,
            .who = tenant("alice"),
            .actor = "token:t1",
            .address = "127.0.0.1",
            .request_id = "r-" + std::to_string(number),
            .documents = {"salary.pdf"}};
  }
  void add_checkpoint(Log& log, const audit::ChainHead& head,
                      CheckpointKind kind = CheckpointKind::head) const {
    Checkpoint next{.n = static_cast<std::int64_t>(log.checkpoints.size()) + 1,
                    .at_ms = 1'790'000'100'000,
                    .kind = kind,
                    .head = head};
    if (!log.checkpoints.empty()) next.previous = audit::digest_of(log.checkpoints.back());
    audit::sign(next, signer);
    log.checkpoints.push_back(std::move(next));
  }
  Log log_of(std::size_t length = 10) const {
    Log log;
    for (int chain = 1; chain <= 2; ++chain) {
      audit::ChainHead head{.chain = uuid_of(chain)};
      for (std::size_t i = 0; i < length; ++i)
        for (auto& record : audit::chained(marks, head, {event(static_cast<int>(i))}))
          log.records.push_back(std::move(record));
      add_checkpoint(log, head);
    }
    return log;
  }
  LogJudge judge_of(const Log& log) const {
    LogJudge judge(audit::Marks(keyring.audit_key()), signer.verifying_key());
    for (const auto& checkpoint : log.checkpoints) judge.add(checkpoint);
    for (const auto& record : log.records) judge.add(record);
    judge.finish();
    return judge;
  }
  std::vector<Finding::Kind> findings_of(const Log& log) const {
    std::vector<Finding::Kind> kinds;
    auto judge = judge_of(log);
    for (const auto& finding : judge.finish()) kinds.push_back(finding.kind);
    return kinds;
  }
};

TEST_F(AuditChain, HoldsWhereNothingWasDone) {
  const auto log = log_of();
  auto judge = judge_of(log);
  EXPECT_THAT(judge.finish(), IsEmpty());
  EXPECT_EQ(judge.records(), 20);
  EXPECT_EQ(judge.chains(), 2);
  EXPECT_EQ(judge.unsigned_records(), 0);
  EXPECT_TRUE(judge.holds(2, audit::digest_of(log.checkpoints[1])));
  EXPECT_FALSE(judge.holds(1, audit::digest_of(log.checkpoints[1])));
  EXPECT_THAT(findings_of({}), IsEmpty());
}

TEST_F(AuditChain, EveryChangeOfARecordIsFound) {
  const std::vector<std::function<void(Record&)>> changes{
      [](Record& r) { r.at_ms += 1; },
      [](Record& r) { r.action = "memory.list"; },
      [](Record& r) { r.outcome = "failed"; },
      [](Record& r) { r.status = 404; },
      [this](Record& r) { r.tenant = marks.tenant(tenant("bob")); },
      [](Record& r) { r.actor = "token:t2"; },
      [](Record& r) { r.address = "10.0.0.1"; },
      [](Record& r) { r.request_id = "other"; },
      [](Record& r) { r.documents.clear(); },
      [](Record& r) { r.count = 9; },
      [](Record& r) { r.link[31] ^= 1; },
      // The bytes of two fields join to the same text, and their lengths tell them apart.
      [](Record& r) {
        r.actor += r.address;
        r.address.clear();
      }};
  for (std::size_t i = 0; i < changes.size(); ++i)
    for (const std::size_t at : {0u, 4u, 9u}) {
      auto log = log_of();
      changes[i](log.records[at]);
      EXPECT_THAT(findings_of(log), testing::Contains(Finding::Kind::changed)) << i << " at " << at;
    }
}

TEST_F(AuditChain, ARecordThatIsRemovedExchangedOrDoubledIsFound) {
  auto removed = log_of();
  removed.records.erase(removed.records.begin() + 4);
  EXPECT_THAT(findings_of(removed), ElementsAre(Finding::Kind::missing));
  auto first = log_of();
  first.records.erase(first.records.begin());
  EXPECT_THAT(findings_of(first), ElementsAre(Finding::Kind::missing));
  auto exchanged = log_of();
  std::swap(exchanged.records[3], exchanged.records[4]);
  std::swap(exchanged.records[3].seq, exchanged.records[4].seq);  // as a reader would sort them
  EXPECT_THAT(findings_of(exchanged), testing::Contains(Finding::Kind::changed));
  auto doubled = log_of();
  doubled.records.insert(doubled.records.begin() + 4, doubled.records[4]);
  EXPECT_THAT(findings_of(doubled), ElementsAre(Finding::Kind::changed));
  auto moved = log_of();  // a record of one chain in the place of another chain's
  moved.records[4] = moved.records[14];
  moved.records[4].chain = moved.records[3].chain;
  EXPECT_THAT(findings_of(moved), testing::Contains(Finding::Kind::changed));
}

TEST_F(AuditChain, AChainThatWasCutBehindItsCheckpointIsFound) {
  auto cut = log_of();
  cut.records.pop_back();
  EXPECT_THAT(findings_of(cut), ElementsAre(Finding::Kind::cut));
  auto gone = log_of();
  gone.records.resize(10);
  EXPECT_THAT(findings_of(gone), ElementsAre(Finding::Kind::cut));
  auto all = log_of();
  all.records.clear();
  EXPECT_THAT(findings_of(all), ElementsAre(Finding::Kind::cut, Finding::Kind::cut));
}

TEST_F(AuditChain, ACheckpointThatIsRemovedForgedOrMovedIsFound) {
  auto removed = log_of();
  removed.checkpoints.erase(removed.checkpoints.begin());
  EXPECT_THAT(findings_of(removed), testing::Contains(Finding::Kind::checkpoint));
  auto changed = log_of();
  changed.checkpoints[1].head.seq = 5;
  EXPECT_THAT(findings_of(changed), testing::Contains(Finding::Kind::checkpoint));
  auto exchanged = log_of();
  std::swap(exchanged.checkpoints[0].head, exchanged.checkpoints[1].head);
  EXPECT_THAT(findings_of(exchanged), testing::Contains(Finding::Kind::checkpoint));
  // Whoever has the database and no keyring says that old records were deleted because of age.
  auto forged = log_of();
  forged.records.erase(forged.records.begin(), forged.records.begin() + 5);
  auto mark = forged.checkpoints[1];
  mark.n = 3;
  mark.kind = CheckpointKind::pruned;
  mark.head = {uuid_of(1), 5, log_of().records[4].link};
  mark.previous = audit::digest_of(forged.checkpoints[1]);
  forged.checkpoints.push_back(mark);
  EXPECT_THAT(findings_of(forged),
              ElementsAre(Finding::Kind::checkpoint, Finding::Kind::missing));
}

// The role that serves may add rows: they take numbers and fill lists, and hide nothing.
TEST_F(AuditChain, ManyForgedCheckpointsHideNothingAndTheirNumbersAreFree) {
  auto log = log_of();
  auto next = log.checkpoints.back();
  next.n = 1'200;
  next.previous = audit::digest_of(log.checkpoints.back());
  audit::sign(next, signer);
  auto forged = log.checkpoints[0];
  for (forged.n = 3; forged.n < 1'200; ++forged.n) log.checkpoints.push_back(forged);
  log.checkpoints.push_back(next);
  next.n = 1'300;  // does not follow
  audit::sign(next, signer);
  log.checkpoints.push_back(next);
  log.records.erase(log.records.begin() + 3);
  auto judge = judge_of(log);
  EXPECT_EQ(judge.found(Finding::Kind::checkpoint), 1'197 + 1);
  EXPECT_EQ(judge.found(), 1'197 + 2);
  EXPECT_EQ(judge.finish().size(), LogJudge::findings_max / 2 + 2);
  EXPECT_EQ(judge.finish().back().kind, Finding::Kind::missing);
  EXPECT_EQ(judge.finish().at(LogJudge::findings_max / 2).seq, 1'201);
}

TEST_F(AuditChain, WhatWasPrunedIsNoFindingAndTheRestIsBound) {
  auto log = log_of();
  const auto kept = log.records;
  add_checkpoint(log, {uuid_of(1), 5, log.records[4].link}, CheckpointKind::pruned);
  log.records.erase(log.records.begin(), log.records.begin() + 5);
  EXPECT_THAT(findings_of(log), IsEmpty());
  auto put_back = log;
  put_back.records.insert(put_back.records.begin(), kept[4]);
  EXPECT_THAT(findings_of(put_back), testing::Contains(Finding::Kind::changed));
  log.records.erase(log.records.begin());
  EXPECT_THAT(findings_of(log), ElementsAre(Finding::Kind::missing));
  // The whole chain is old.
  auto old = log_of();
  add_checkpoint(old, {uuid_of(2), 10, old.records[19].link}, CheckpointKind::pruned);
  old.records.resize(10);
  EXPECT_THAT(findings_of(old), IsEmpty());
}

TEST_F(AuditChain, RecordsBehindTheLastCheckpointAreCounted) {
  auto log = log_of();
  audit::ChainHead head{uuid_of(2), 10, log.records[19].link};
  for (auto& record : audit::chained(marks, head, {event(11), event(12)}))
    log.records.push_back(record);
  auto judge = judge_of(log);
  EXPECT_THAT(judge.finish(), IsEmpty());
  EXPECT_EQ(judge.unsigned_records(), 2);
}

// A process that lives signs; so what it wrote for hours has a checkpoint, or had one.
TEST_F(AuditChain, TheNewestCheckpointsOfAProcessThatLivesAreMissed) {
  constexpr std::int64_t limit_ms = 60'000;
  const auto findings = [&](std::int64_t last_ms, bool has_newest) {
    Log log;
    audit::ChainHead head{.chain = uuid_of(1)};
    const auto write = [&](std::int64_t at_ms) {
      auto one = event(0);
      one.at_ms += at_ms;
      for (auto& record : audit::chained(marks, head, {one})) log.records.push_back(record);
    };
    write(0);
    add_checkpoint(log, head);
    write(10'000);
    write(20'000);
    if (has_newest) add_checkpoint(log, head);
    write(last_ms);
    LogJudge judge(audit::Marks(keyring.audit_key()), signer.verifying_key(), limit_ms);
    for (const auto& checkpoint : log.checkpoints) judge.add(checkpoint);
    for (const auto& record : log.records) judge.add(record);
    std::vector<std::pair<Finding::Kind, std::int64_t>> found;
    for (const auto& finding : judge.finish()) found.emplace_back(finding.kind, finding.seq);
    return found;
  };
  EXPECT_THAT(findings(10'000 + limit_ms, false), IsEmpty());
  EXPECT_THAT(findings(10'000 + limit_ms + 1, true), IsEmpty());
  EXPECT_THAT(findings(10'000 + limit_ms + 1, false),
              ElementsAre(std::pair(Finding::Kind::unsigned_, std::int64_t{2})));
}

TEST_F(AuditChain, AnotherDeploymentsLogIsNone) {
  const auto log = log_of();
  const auto other =
      crypto::Keyring::from_keys(test_key_hex(4), test_key_hex(5), test_key_hex(6)).value();
  LogJudge judge(audit::Marks(other.audit_key()), other.audit_signer().verifying_key());
  for (const auto& checkpoint : log.checkpoints) judge.add(checkpoint);
  for (const auto& record : log.records) judge.add(record);
  EXPECT_EQ(judge.finish().size(), 22u);
}

TEST_F(AuditChain, NamesStandAsHashesThatDependOnTheUser) {
  audit::ChainHead head{.chain = uuid_of(1)};
  const auto record = audit::chained(marks, head, {event(1)}).at(0);
  EXPECT_EQ(record.documents, marks.document(tenant("alice"), "salary.pdf"));
  EXPECT_NE(record.documents, marks.document(tenant("bob"), "salary.pdf"));
  EXPECT_EQ(record.tenant.size(), 16u);
  EXPECT_EQ(tenant("alice").hash().to_hex().find(record.tenant), std::string::npos);
  EXPECT_EQ(record.count, 1);
  auto many = event(2);
  many.documents.assign(audit::documents_max + 5, "d");
  const auto large = audit::chained(marks, head, {many}).at(0);
  EXPECT_EQ(large.documents.size(), audit::documents_max * audit::document_mark_bytes);
  EXPECT_EQ(large.count, static_cast<std::int64_t>(audit::documents_max) + 5);
}

}  // namespace
}  // namespace memseal::test

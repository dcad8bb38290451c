// What is not embedded: events that the database holds already, and uploads of which a newer
// revision is known. The transaction decides, whatever the look said.
#include "rig.hpp"

namespace memseal::ingest {
namespace {

struct Look : Rig {
  ports::Record revision(std::int64_t number, const std::string& text = "hello world") {
    return record("alice",
                  upload_of("doc", "alice", "rev-" + std::to_string(number), text, number));
  }
  std::vector<std::int64_t> stored_revisions() const {
    std::vector<std::int64_t> numbers;
    if (const auto found = store.writes_of.find(tenant("alice")); found != store.writes_of.end())
      for (const auto& write : found->second) numbers.push_back(write.revision);
    return numbers;
  }
  Uuid id_of_revision(std::int64_t number) const {
    return id_of("alice", "rev-" + std::to_string(number));
  }
  double events(const std::string& outcome, const std::string& type = "upload") const {
    return metric("memseal_ingest_events_total{outcome=\"" + outcome + "\",type=\"" + type +
                  "\"}");
  }
};

TEST_F(Look, EmbedsNothingOfAReplay) {
  const std::vector<ports::Record> topic{
      good("alice", "1"), good("bob", "2"),
      record("alice", chat("alice", "3", "talk"), "memory.chat.v1"), revision(4)};
  push(topic);
  run();
  const auto embedded = embedder.texts().size();
  const auto key_uses = keys.faults.calls;
  push(topic);
  run();
  EXPECT_EQ(embedder.texts().size(), embedded);
  EXPECT_EQ(keys.faults.calls, key_uses) << "nothing is sealed either";
  EXPECT_EQ(source.offsets_done.size(), 2 * topic.size());
  EXPECT_EQ(events("duplicate") + events("duplicate", "chat"), 4);
}

TEST_F(Look, AsksOncePerTenantOfABatch) {
  std::vector<ports::Record> records;
  for (int i = 0; i < 30; ++i)
    records.push_back(good("u" + std::to_string(i % 3), std::to_string(i)));
  push(std::move(records));
  run();
  EXPECT_EQ(store.looks, 3);
}

TEST_F(Look, EmbedsOnlyTheNewestUploadOfADocumentInABatch) {
  push({revision(2), revision(5), revision(3), good("bob", "1")});
  run();
  EXPECT_EQ(embedder.texts().size(), 2u);
  EXPECT_EQ(stored_revisions(), std::vector<std::int64_t>{5});
  EXPECT_EQ(events("superseded"), 2);
  EXPECT_EQ(events("ingested"), 2);
  EXPECT_EQ(store.events(), 4u) << "the ledger knows the others too";
  EXPECT_EQ(source.offsets_done.size(), 4u);
}

TEST_F(Look, EmbedsAMessageForEachEventOfAConversation) {
  push({record("alice", chat("alice", "1", "talk"), "memory.chat.v1"),
        record("alice", chat("alice", "2", "talk"), "memory.chat.v1")});
  run();
  EXPECT_EQ(stored("alice").size(), 2u);
}

TEST_F(Look, EmbedsNoRevisionThatIsOlderThanTheStoredOne) {
  push({revision(7)});
  run();
  push({revision(6), revision(8, "hello note")});
  run();
  EXPECT_EQ(embedder.texts().size(), 2u);
  EXPECT_EQ(stored_revisions(), (std::vector<std::int64_t>{7, 8}));
  EXPECT_EQ(events("superseded"), 1);
}

TEST_F(Look, EmbedsAnEventOnceThatABatchMentionsTwice) {
  push({good("alice", "1"), good("alice", "1")});
  run();
  EXPECT_EQ(embedder.texts().size(), 1u);
  EXPECT_EQ(events("duplicate"), 1);
  EXPECT_EQ(events("ingested"), 1);
}

TEST_F(Look, AnOldEventThatIsSentAgainTakesNothingFromTheLatestText) {
  const auto sent = [this](const std::string& id, const std::string& text) {
    return record("alice", upload_of("doc", "alice", id, text));
  };
  push({sent("old", "old text")});
  run();
  store.stored_at_ms = 1;
  push({sent("new", "new text"), sent("old", "old text")});
  run();
  EXPECT_EQ(stored("alice"), (std::vector<Uuid>{id_of("alice", "old"), id_of("alice", "new")}));
  EXPECT_EQ(events("superseded"), 0);
  EXPECT_EQ(events("duplicate"), 1);
}

TEST_F(Look, StoresTheOlderUploadWhenTheNewestIsRefused) {
  store.poison = [&](const ports::EventWrite& write) {
    return write.event_id == id_of_revision(3);
  };
  push({revision(1), revision(2), revision(3)});
  run();
  ASSERT_FALSE(stored_revisions().empty());
  EXPECT_EQ(stored_revisions().back(), 2);
  EXPECT_EQ(sink.letters_of("memory.upload.v1").size(), 1u);
  EXPECT_EQ(source.offsets_done.size(), 3u);
}

TEST_F(Look, LeavesTheDecisionToTheTransactionWhenARowAppears) {
  store.after_look = [&] { store.ledger.insert({tenant("alice"), id_of("alice", "1")}); };
  push({good("alice", "1"), good("alice", "2")});
  run();
  EXPECT_EQ(stored("alice"), std::vector<Uuid>{id_of("alice", "2")});
  EXPECT_EQ(events("duplicate"), 1);
}

TEST_F(Look, LeavesTheDecisionToTheTransactionWhenTheNewerRevisionIsGone) {
  store.revisions[{tenant("alice"), "doc"}] = 9;
  store.after_look = [&] { store.revisions.clear(); };
  push({revision(5)});
  run();
  EXPECT_EQ(stored_revisions(), std::vector<std::int64_t>{5});
  EXPECT_EQ(events("ingested"), 1);
  EXPECT_EQ(events("superseded"), 0);
}

TEST_F(Look, EmbedsNothingOfAnErasedTenant) {
  store.erased.insert(tenant("alice"));
  push({good("alice", "1"), good("bob", "2")});
  run();
  EXPECT_EQ(embedder.texts().size(), 1u);
  EXPECT_EQ(events("erased"), 1);
}

TEST_F(Look, WaitsWhileTheDatabaseIsUnavailable) {
  for (int i = 0; i < 20; ++i) store.look_faults.next.push_back(Errc::unavailable);
  push({good("alice", "1")});
  run();
  EXPECT_EQ(store.looks, 21);
  EXPECT_EQ(embedder.faults.calls, 1);
  EXPECT_EQ(stored("alice").size(), 1u);
  EXPECT_EQ(metric("memseal_ingest_stalled"), 0);
}

TEST_F(Look, BlamesNoEventThatCannotBeLookedAt) {
  store.look_faults.error = Error{Errc::internal, "refused"};
  push({good("alice", "1"), good("alice", "2")});
  run();
  EXPECT_EQ(stored("alice").size(), 2u);
  EXPECT_TRUE(sink.records.empty());
}

TEST_F(Look, EndsTheWorkerForAFaultOfTheSetUp) {
  options.setup_patience = std::chrono::milliseconds(0);
  store.look_faults.next = {Errc::not_migrated};
  push({good("alice", "1")});
  EXPECT_THROW(run(), Refused);
  EXPECT_EQ(embedder.faults.calls, 0);
  EXPECT_TRUE(source.offsets_done.empty());
}

}  // namespace
}  // namespace memseal::ingest

// What a deletion leaves: nothing of what came before it, and room for what comes after it.
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/operations.hpp"
#include "support/pg.hpp"

namespace memseal::test {
namespace {

using ports::EventWrite;
using ports::Stored;

class Deletions : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    store_ = std::make_unique<postgres::PgChunkStore>(*pool_);
    operations_ = std::make_unique<postgres::PgOperations>(*pool_);
    owner_ = new_tenant();
  }

  /// An upload without a revision, at `offset` of its partition.
  EventWrite put(const std::string& doc, std::int64_t offset, int chunks = 2) {
    ChunkSpec spec{.doc_id = doc, .revision = ++serial_};
    auto write = event_of(spec);
    write.by_arrival.emplace();
    write.source = ports::SourcePlace{"t", 0, offset};
    write.document_name_cipher = Bytes(40, 9);
    add_chunks(write, spec, chunks);
    return write;
  }
  EventWrite revised(const std::string& doc, std::int64_t offset, std::int64_t revision) {
    ChunkSpec spec{.doc_id = doc, .revision = revision};
    auto write = event_of(spec);
    write.source = ports::SourcePlace{"t", 0, offset};
    add_chunks(write, spec, 1);
    return write;
  }
  EventWrite say(const std::string& conversation, std::int64_t at_ms, int turns = 1) {
    ChunkSpec spec{.doc_id = conversation, .origin = Origin::chat, .revision = at_ms,
                   .index = ++index_, .created_at_ms = at_ms};
    auto write = event_of(spec);
    add_chunks(write, spec, turns);
    return write;
  }
  static EventWrite remove(const std::string& doc, std::int64_t offset) {
    auto write = event_of({.doc_id = doc, .revision = 1});
    write.by_arrival.emplace();
    write.source = ports::SourcePlace{"t", 0, offset};
    write.deletion.emplace();
    return write;
  }
  static EventWrite forget(const std::string& conversation, std::int64_t at_ms,
                           std::optional<std::int64_t> before_ms = {}) {
    auto write = event_of({.doc_id = conversation, .origin = Origin::chat, .revision = at_ms});
    write.deletion = ports::Deletion{before_ms};
    return write;
  }
  void add_chunks(EventWrite& write, ChunkSpec spec, int chunks) {
    for (int i = 0; i < chunks; ++i) {
      write.chunks.push_back(sealed_chunk(*owner_, spec, dimension));
      ++spec.index;
    }
    index_ = spec.index;
  }
  Stored store(EventWrite write) { return store_as(*owner_, std::move(write)); }
  Stored store_as(const crypto::Tenant& owner, EventWrite write) {
    std::vector<EventWrite> one(1, std::move(write));
    return await(store_->store(context_, owner, std::move(one))).at(0);
  }
  std::vector<Stored> store(std::vector<EventWrite> writes) {
    return await(store_->store(context_, *owner_, std::move(writes)));
  }
  std::optional<Stored> look(const EventWrite& write) {
    std::vector<ports::EventKey> keys(1, {.event_id = write.event_id,
                                          .origin = write.origin,
                                          .doc_id = write.doc_id,
                                          .revision = write.revision,
                                          .by_arrival = write.by_arrival,
                                          .source = write.source,
                                          .replayed = write.replayed,
                                          .deletes = write.deletion.has_value()});
    return await(store_->look(context_, *owner_, std::move(keys))).at(0).answer;
  }
  /// Answers of look() and of store(), which agree.
  Stored look_and_store(EventWrite write) {
    const auto said = look(write);
    const auto answer = store(std::move(write));
    EXPECT_EQ(said.value_or(Stored::applied), answer);
    return answer;
  }
  /// An operator publishes an event again, of which the ledger knows nothing.
  static EventWrite replayed(EventWrite write) {
    write.replayed = true;
    if (write.by_arrival) write.by_arrival->replayed_from_ms = 1'000;
    return write;
  }
  std::string sql(const std::string& select) {
    return database_->super(select + " WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  }
  std::string state(const std::string& doc) {
    return sql("SELECT state || ' ' || kind || ' ' || chunk_count || ' ' || "
               "(deleted_at IS NOT NULL) FROM (SELECT * FROM app.documents WHERE doc_id = '" +
               doc + "') d");
  }
  std::string chunks() { return sql("SELECT count(*) FROM app.memory_chunks"); }
  std::string counted() { return sql("SELECT chunk_count FROM app.tenants"); }
  ports::Operation operation(const Uuid& id) {
    return await(operations_->find(context_, *owner_, id)).value();
  }

  static constexpr std::int64_t t = 1'700'000'000'000;
  std::unique_ptr<postgres::PgChunkStore> store_;
  std::unique_ptr<postgres::PgOperations> operations_;
  std::optional<crypto::Tenant> owner_;
  std::int64_t serial_ = 0;
  std::int32_t index_ = 0;
};

TEST_F(Deletions, OfADocumentTakesItsChunksItsNameAndItsCount) {
  ASSERT_EQ(store(put("doc", 1, 3)), Stored::applied);
  ASSERT_EQ(store(put("other", 2, 1)), Stored::applied);
  auto deletion = remove("doc", 3);
  const auto id = deletion.event_id;
  EXPECT_EQ(look_and_store(deletion), Stored::applied);
  EXPECT_EQ(look_and_store(deletion), Stored::duplicate);
  EXPECT_EQ(state("doc"), "deleted upload 0 true");
  EXPECT_EQ(sql("SELECT count(*) FROM (SELECT * FROM app.documents WHERE name_cipher IS NOT NULL) "
                "d"), "1");
  EXPECT_EQ(chunks(), "1");
  EXPECT_EQ(counted(), "1");
  const auto ended = operation(id);
  EXPECT_EQ(ended.state, ports::OperationState::succeeded);
  EXPECT_EQ(ended.deleted, 3);
  EXPECT_EQ(ended.chunks, 0);
}

TEST_F(Deletions, ANewerUploadMakesTheDocumentAnew) {
  auto first = put("doc", 1);
  ASSERT_EQ(store(first), Stored::applied);
  ASSERT_EQ(store(remove("doc", 2)), Stored::applied);
  EXPECT_EQ(look_and_store(first), Stored::duplicate) << "Kafka delivers it again";
  EXPECT_EQ(chunks(), "0");
  EXPECT_EQ(look_and_store(put("doc", 3)), Stored::applied);
  EXPECT_EQ(state("doc"), "ready upload 2 false");
  EXPECT_EQ(counted(), "2");
}

TEST_F(Deletions, AnOlderUploadThatIsPublishedAgainStaysAway) {
  ASSERT_EQ(store(put("doc", 1)), Stored::applied);
  const auto dead = put("doc", 2);
  const auto dead_revision = revised("doc", 3, 900);
  ASSERT_EQ(store(remove("doc", 5)), Stored::applied);
  EXPECT_EQ(look_and_store(replayed(dead)), Stored::superseded);
  EXPECT_EQ(look_and_store(replayed(dead_revision)), Stored::superseded);
  EXPECT_EQ(chunks(), "0");
  // Also of a document that was never stored.
  const auto never = put("never", 6);
  ASSERT_EQ(store(remove("never", 7)), Stored::applied);
  EXPECT_EQ(look_and_store(replayed(never)), Stored::superseded);
  EXPECT_EQ(look_and_store(revised("never", 8, 0)), Stored::applied);
}

TEST_F(Deletions, ADeletionThatIsPublishedAgainLeavesANewerUpload) {
  const auto dead = remove("doc", 1);
  ASSERT_EQ(store(put("doc", 2)), Stored::applied);
  EXPECT_EQ(look_and_store(replayed(dead)), Stored::superseded);
  EXPECT_EQ(chunks(), "2");
  EXPECT_EQ(look_and_store(replayed(remove("doc", 3))), Stored::applied);
  EXPECT_EQ(chunks(), "0");
}

TEST_F(Deletions, ARevisionStillDecidesAboutRevisions) {
  ASSERT_EQ(store(revised("doc", 1, 5)), Stored::applied);
  ASSERT_EQ(store(remove("doc", 2)), Stored::applied);
  EXPECT_EQ(look_and_store(revised("doc", 3, 5)), Stored::superseded);
  EXPECT_EQ(look_and_store(revised("doc", 4, 6)), Stored::applied);
}

TEST_F(Deletions, OfAConversationTakesItsTurnsAndLetsItGoOn) {
  ASSERT_EQ(store(say("talk", t, 2)), Stored::applied);
  ASSERT_EQ(store(say("talk", t + 10)), Stored::applied);
  ASSERT_EQ(store(say("else", t)), Stored::applied);
  auto deletion = forget("talk", t + 20);
  EXPECT_EQ(look_and_store(deletion), Stored::applied);
  EXPECT_EQ(operation(deletion.event_id).deleted, 3);
  EXPECT_EQ(state("talk"), "deleted chat 0 true");
  EXPECT_EQ(chunks(), "1");
  EXPECT_EQ(counted(), "1");
  const auto dead = replayed(say("talk", t + 5));
  EXPECT_EQ(look_and_store(dead), Stored::superseded) << "an operator publishes it again";
  // A producer whose clock is behind is believed: its turns arrived later.
  EXPECT_EQ(look_and_store(say("talk", t + 1)), Stored::applied);
  EXPECT_EQ(state("talk"), "ready chat 1 false");
  EXPECT_EQ(store(forget("nothing", t)), Stored::applied);
}

TEST_F(Deletions, BeforeATimeTakesWhatWasSaidEarlier) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(store(say("talk", t + i * 1'000)), Stored::applied);
  auto deletion = forget("talk", t + 9'000, t + 2'000);
  EXPECT_EQ(store(deletion), Stored::applied);
  EXPECT_EQ(operation(deletion.event_id).deleted, 2);
  EXPECT_EQ(state("talk"), "ready chat 3 false");
  EXPECT_EQ(counted(), "3");
  EXPECT_EQ(store(forget("talk", t + 9'000, t + 2'000)), Stored::applied);
  EXPECT_EQ(chunks(), "3");
  EXPECT_EQ(store(forget("talk", t + 9'000, 253'402'300'799'999)), Stored::applied);
  EXPECT_EQ(state("talk"), "deleted chat 0 true");
}

TEST_F(Deletions, ADocumentAndAConversationOfOneIdAreTwoThings) {
  ASSERT_EQ(store(put("same", 1)), Stored::applied);
  ASSERT_EQ(store(say("same", t, 3)), Stored::applied);
  ASSERT_EQ(store(remove("same", 2)), Stored::applied);
  EXPECT_EQ(state("same"), "ready chat 3 false");
  ASSERT_EQ(store(put("same", 3)), Stored::applied);
  ASSERT_EQ(store(forget("same", t + 1)), Stored::applied);
  EXPECT_EQ(state("same"), "ready upload 2 false");
  EXPECT_EQ(chunks(), "2");
  ASSERT_EQ(store(say("same", t, 1)), Stored::applied);
  ASSERT_EQ(store(remove("same", 4)), Stored::applied);
  ASSERT_EQ(store(forget("same", t + 2)), Stored::applied);
  EXPECT_EQ(state("same"), "deleted chat 0 true");
  EXPECT_EQ(store(revised("same", 5, 2)), Stored::applied)
      << "the end of a conversation keeps no document out";
}

TEST_F(Deletions, InOneTransactionComeInTheirOrder) {
  std::vector<EventWrite> writes;
  writes.push_back(put("a", 1));
  writes.push_back(remove("a", 2));
  writes.push_back(put("a", 3, 1));
  writes.push_back(put("b", 4));
  writes.push_back(say("talk", t));
  writes.push_back(forget("talk", t + 1));
  writes.push_back(say("talk", t + 2, 2));
  writes.push_back(remove("b", 5));
  const auto answers = store(std::move(writes));
  for (const auto answer : answers) EXPECT_EQ(answer, Stored::applied);
  EXPECT_EQ(state("a"), "ready upload 1 false");
  EXPECT_EQ(state("b"), "deleted upload 0 true");
  EXPECT_EQ(state("talk"), "ready chat 2 false");
  EXPECT_EQ(chunks(), "3");
  EXPECT_EQ(counted(), "3");
}

TEST_F(Deletions, ByAStrangerChangesNothingOfTheOwner) {
  ASSERT_EQ(store(put("doc", 1)), Stored::applied);
  ASSERT_EQ(store(say("talk", t)), Stored::applied);
  const auto stranger = new_tenant();
  EXPECT_EQ(store_as(stranger, remove("doc", 2)), Stored::applied);
  EXPECT_EQ(store_as(stranger, forget("talk", t + 1)), Stored::applied);
  EXPECT_EQ(chunks(), "3");
  EXPECT_EQ(state("doc"), "ready upload 2 false");
}

TEST_F(Deletions, OfAnErasedTenantChangesNothing) {
  ASSERT_EQ(store(put("doc", 1)), Stored::applied);
  database_->super("UPDATE app.tenants SET state = 'erased' WHERE user_hash = '" +
                   owner_->hash().to_hex() + "'");
  EXPECT_EQ(store(remove("doc", 2)), Stored::erased);
}

TEST_F(Deletions, AnUploadThatALaterDeletionNamesIsSuperseded) {
  auto earlier = put("doc", 1);
  earlier.chunks.clear();
  const auto deletion = remove("doc", 2);
  earlier.by_arrival->superseded_by = deletion.event_id;
  earlier.expect_superseded = true;
  EXPECT_EQ(store(earlier), Stored::current);
  ASSERT_EQ(store(deletion), Stored::applied);
  EXPECT_EQ(store(earlier), Stored::superseded);
  auto turns = say("talk", t);
  turns.chunks.clear();
  const auto forgotten = forget("talk", t + 1);
  turns.by_arrival = ports::ByArrival{0, forgotten.event_id};
  turns.expect_superseded = true;
  EXPECT_EQ(store(turns), Stored::current);
  ASSERT_EQ(store(forgotten), Stored::applied);
  EXPECT_EQ(store(turns), Stored::superseded);
}

TEST_F(Deletions, AnnouncedOnesAreFollowedToTheirEnd) {
  ASSERT_EQ(store(put("doc", 1)), Stored::applied);
  const auto deletion = remove("doc", 2);
  EXPECT_TRUE(await(operations_->announce_deletion(context_, *owner_, deletion.event_id,
                                                   Origin::api, deletion.doc_id, {})));
  EXPECT_EQ(operation(deletion.event_id).state, ports::OperationState::queued);
  EXPECT_EQ(operation(deletion.event_id).deleted, 0);
  ASSERT_EQ(store(deletion), Stored::applied);
  EXPECT_EQ(operation(deletion.event_id).deleted, 2);
}

}  // namespace
}  // namespace memseal::test

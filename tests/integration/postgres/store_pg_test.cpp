#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/operations.hpp"
#include "adapters/postgres/person_store.hpp"
#include "runtime/wall_clock.hpp"
#include "support/pg.hpp"

#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <future>

namespace memseal::test {
namespace {

using ports::EventWrite;
using ports::Stored;

Uuid event_id(unsigned number) {
  Uuid id;
  for (int byte = 0; byte < 4; ++byte) {
    id.bytes[static_cast<std::size_t>(15 - byte)] = static_cast<std::uint8_t>(number >> 8 * byte);
  }
  return id;
}

class Store : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    store_ = std::make_unique<postgres::PgChunkStore>(*pool_);
    operations_ = std::make_unique<postgres::PgOperations>(*pool_);
    owner_ = new_tenant();
  }

  static DocId doc() { return DocId::parse("doc").value(); }

  EventWrite write(unsigned event, const std::string& doc, std::int64_t revision, int chunks,
                   Origin origin = Origin::upload) {
    return write_of(*owner_, event, doc, revision, chunks, origin);
  }
  static EventWrite write_of(const crypto::Tenant& owner, unsigned event, const std::string& doc,
                             std::int64_t revision, int chunks, Origin origin) {
    EventWrite made{.event_id = event_id(event),
                    .origin = origin,
                    .doc_id = DocId::parse(doc).value(),
                    .revision = revision};
    for (int index = 0; index < chunks; ++index) {
      ChunkSpec spec;
      spec.doc_id = doc;
      spec.origin = origin;
      spec.revision = revision;
      spec.index = index;
      made.chunks.push_back(sealed_chunk(owner, spec, dimension));
    }
    return made;
  }

  std::vector<Stored> store(std::vector<EventWrite> writes) {
    return await(store_->store(context_, *owner_, std::move(writes)));
  }
  Stored store(EventWrite write) {
    std::vector<EventWrite> one;
    one.push_back(std::move(write));
    return store(std::move(one)).at(0);
  }
  template <class... More>
  static std::vector<EventWrite> list(EventWrite first, More... more) {
    std::vector<EventWrite> writes;
    writes.push_back(std::move(first));
    (writes.push_back(std::move(more)), ...);
    return writes;
  }

  /// What the superuser sees of this tenant: the oracle.
  std::string look(const std::string& select) {
    return database_->super(select + " WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  }
  std::string chunks_of(const std::string& doc) {
    return look("SELECT count(*) FROM (SELECT * FROM app.memory_chunks WHERE doc_id = '" + doc +
                "') c");
  }
  std::string event(unsigned number, const std::string& column) {
    return look("SELECT " + column + " FROM (SELECT * FROM app.ingest_events WHERE event_id = '" +
                event_id(number).to_string() + "') e");
  }
  std::string counted() { return look("SELECT chunk_count FROM app.tenants"); }

  std::unique_ptr<postgres::PgChunkStore> store_;
  std::unique_ptr<postgres::PgOperations> operations_;
  std::optional<crypto::Tenant> owner_;
};

TEST_F(Store, WritesEveryColumnAsItWasSealed) {
  ChunkSpec spec;
  spec.doc_id = "a \"strange\" {doc}";
  spec.index = 3;
  spec.tags = {"one", "two, three", "\"four\"", "fünf"};
  spec.expires_at_ms = 1'900'000'000'123;
  const auto chunk = sealed_chunk(*owner_, spec, dimension);
  EventWrite made = write(1, spec.doc_id, 5, 0);
  made.document_name_cipher = Bytes(40, 9);
  made.chunks.push_back(chunk);
  EXPECT_EQ(store(std::move(made)), Stored::applied);

  EXPECT_EQ(look("SELECT seals FROM app.tenants"), "3") << "text, meta and name";

  const auto column = [&](const std::string& name) {
    return look("SELECT " + name + " FROM app.memory_chunks");
  };
  EXPECT_EQ(column("id"), chunk.header().id.to_string());
  EXPECT_EQ(column("doc_id"), spec.doc_id);
  EXPECT_EQ(column("text_plain IS NULL"), "t");
  EXPECT_EQ(column("encode(text_cipher, 'hex')"),
            to_hex(chunk.text_cipher().data(), chunk.text_cipher().size()));
  EXPECT_EQ(column("encode(meta_cipher, 'hex')"),
            to_hex(chunk.meta_cipher().data(), chunk.meta_cipher().size()));
  EXPECT_EQ(column("source || chunk_index || '.' || char_start || '.' || char_end"), "upload3.0.9");
  EXPECT_EQ(column("tags = ARRAY['one', 'two, three', '\"four\"', 'fünf']"), "t");
  EXPECT_EQ(column("(extract(epoch FROM expires_at) * 1000)::bigint"), "1900000000123");
  EXPECT_EQ(column("model"), "test-model");
  std::string vector = "[";
  for (const float value : chunk.embedding()) {
    vector += (vector.size() > 1 ? "," : "") + std::to_string(value);
  }
  EXPECT_EQ(column("(embedding <-> '" + vector + "]') < 1e-3"), "t");
  EXPECT_EQ(look("SELECT revision || kind || state || chunk_count || octet_length(name_cipher) "
                 "FROM app.documents"),
            "5uploadready140");
  EXPECT_EQ(counted(), "1");
}

TEST_F(Store, AppliesAnEventOnceHoweverOftenItComes) {
  EXPECT_EQ(store(write(1, "doc", 1, 3)), Stored::applied);
  EXPECT_EQ(store(write(1, "doc", 1, 3)), Stored::duplicate);
  const auto answers = store(list(write(2, "other", 1, 2), write(2, "other", 1, 2),
                                  write(1, "doc", 1, 3)));
  EXPECT_EQ(answers, (std::vector{Stored::applied, Stored::duplicate, Stored::duplicate}));
  EXPECT_EQ(counted(), "5");
  EXPECT_EQ(look("SELECT count(*) FROM app.ingest_events"), "2");
}

TEST_F(Store, ReplacesADocumentByANewerRevision) {
  EXPECT_EQ(store(write(1, "doc", 1, 5)), Stored::applied);
  EXPECT_EQ(store(write(2, "doc", 2, 3)), Stored::applied);
  EXPECT_EQ(chunks_of("doc"), "3");
  EXPECT_EQ(counted(), "3");
  EXPECT_EQ(look("SELECT revision || '/' || chunk_count FROM app.documents"), "2/3");
}

TEST_F(Store, SupersedesAnOlderRevisionThatArrivesLateAndRecordsIt) {
  EXPECT_EQ(store(write(2, "doc", 2, 3)), Stored::applied);
  EXPECT_EQ(store(write(1, "doc", 1, 5)), Stored::superseded);
  EXPECT_EQ(chunks_of("doc"), "3");
  EXPECT_EQ(event(1, "state || chunks"), "succeeded0");
  EXPECT_EQ(event(2, "state || chunks"), "succeeded3");
  const auto told = await(operations_->find(context_, *owner_, event_id(1)));
  EXPECT_EQ(told->state, ports::OperationState::superseded);
  EXPECT_EQ(told->error_code, "");
  EXPECT_EQ(await(operations_->find(context_, *owner_, event_id(2)))->state,
            ports::OperationState::succeeded);
  EXPECT_EQ(store(write(1, "doc", 1, 5)), Stored::duplicate);
}

TEST_F(Store, WithoutARevisionTheLaterArrivalWins) {
  const auto arriving = [&](unsigned event, int chunks, std::int64_t replayed_from_ms = 0) {
    auto made = write(event, "doc", 1, chunks);
    made.by_arrival = ports::ByArrival{replayed_from_ms};
    return made;
  };
  const auto revision = [&] { return look("SELECT revision FROM app.documents"); };
  EXPECT_EQ(store(arriving(1, 1)), Stored::applied);
  EXPECT_EQ(revision(), "1");
  EXPECT_EQ(store(list(arriving(2, 2), arriving(3, 3))),
            (std::vector{Stored::applied, Stored::applied}));
  EXPECT_EQ(chunks_of("doc"), "3");
  EXPECT_EQ(revision(), "3");
  EXPECT_EQ(store(write(4, "doc", 2, 4)), Stored::superseded) << "a revision is compared as ever";
  EXPECT_EQ(store(write(5, "doc", 1'700'000'000'000, 5)), Stored::applied);
  EXPECT_EQ(store(arriving(6, 6)), Stored::applied) << "whatever revision is stored";
  EXPECT_EQ(chunks_of("doc"), "6");
  EXPECT_EQ(revision(), "1700000000001");
  EXPECT_EQ(counted(), "6");
  EXPECT_EQ(store(arriving(7, 7, 1'700'000'000'000)), Stored::superseded)
      << "an old event that is replayed leaves what was written since";
  EXPECT_EQ(store(arriving(8, 2, 4'000'000'000'000)), Stored::applied);
  EXPECT_EQ(chunks_of("doc"), "2");
  auto elsewhere = arriving(9, 1, 1'700'000'000'000);
  EXPECT_EQ(store(write(10, "other", 1, 1)), Stored::applied);
  EXPECT_EQ(store(std::move(elsewhere)), Stored::superseded);
}

TEST_F(Store, AReplayedEventLeavesWhatLiesBehindIt) {
  const auto placed = [&](unsigned event, std::int64_t offset, int chunks,
                          std::int64_t revision = 0) {
    auto made = write(event, "doc", std::max<std::int64_t>(revision, 1), chunks);
    if (revision == 0) made.by_arrival.emplace();
    made.source = ports::SourcePlace{"memory.upload.v1", 3, offset};
    return made;
  };
  const std::int64_t long_ago = 1'700'000'000'000, in_an_hour = runtime::unix_ms() + 3'600'000;
  // The times say the opposite, and are not asked.
  const auto replayed = [&](EventWrite made, std::int64_t from_ms = 0) {
    made.replayed = true;
    if (made.by_arrival) made.by_arrival->replayed_from_ms = from_ms;
    return made;
  };
  EXPECT_EQ(store(placed(1, 20, 2)), Stored::applied);
  EXPECT_EQ(store(replayed(placed(2, 10, 5), in_an_hour)), Stored::superseded)
      << "it was new before";
  EXPECT_EQ(event(2, "state || chunks"), "succeeded0");
  EXPECT_EQ(chunks_of("doc"), "2");
  EXPECT_EQ(store(replayed(placed(3, 30, 3), long_ago)), Stored::applied) << "it was new later";
  EXPECT_EQ(chunks_of("doc"), "3");
  EXPECT_EQ(event(3, "source_topic || source_partition || '/' || source_offset"),
            "memory.upload.v13/30");
  // With a revision: only an equal one is a question of places.
  EXPECT_EQ(store(placed(4, 50, 4, 900)), Stored::applied);
  EXPECT_EQ(store(replayed(placed(5, 40, 5, 900))), Stored::superseded);
  EXPECT_EQ(store(replayed(placed(6, 60, 6, 900))), Stored::applied);
  EXPECT_EQ(store(replayed(placed(7, 40, 7, 901))), Stored::applied) << "the greater one stays";
  EXPECT_EQ(chunks_of("doc"), "7");
  // A topic that was made again counts from 0, so a place in it says nothing of what is older.
  auto anew = replayed(placed(8, 5, 8), in_an_hour);
  database_->super("UPDATE app.ingest_events SET updated_at = '2020-01-01' WHERE user_hash = '" +
                   owner_->hash().to_hex() + "'");
  EXPECT_EQ(store(std::move(anew)), Stored::applied);
}

TEST_F(Store, RemembersWhereAFailedEventWasNew) {
  const auto placed = [&](unsigned event, std::int64_t offset) {
    auto made = write(event, "doc", 1, 1);
    made.by_arrival.emplace();
    made.source = ports::SourcePlace{"memory.upload.v1", 0, offset};
    return made;
  };
  await(store_->store_failure(context_, *owner_, event_id(1), Origin::upload, doc(),
                              Errc::bad_event, ports::SourcePlace{"memory.upload.v1", 0, 7}));
  EXPECT_EQ(store(placed(2, 8)), Stored::applied);
  EXPECT_EQ(store(placed(1, 90)), Stored::superseded) << "published again without a word";
  EXPECT_EQ(event(1, "source_offset"), "7");
  EXPECT_EQ(store(placed(3, 91)), Stored::applied) << "a new event is none that is replayed";
}

TEST_F(Store, AnOperationBelongsToTheRequestThatItsClientFirstMade) {
  const auto announce = [&](unsigned event, unsigned request) {
    return await(operations_->announce(context_, *owner_, event_id(event), Origin::api, doc(),
                                       event_id(request)));
  };
  EXPECT_TRUE(announce(1, 100));
  EXPECT_TRUE(announce(1, 100));
  EXPECT_FALSE(announce(1, 101));
  EXPECT_TRUE(announce(2, 101));
  const auto other = new_tenant();
  EXPECT_TRUE(await(operations_->announce(context_, other, event_id(1), Origin::api, doc(),
                                          event_id(101))));
}

TEST_F(Store, KeepsTheOrderOfRevisionsInsideOneBatch) {
  const auto answers = store(list(write(1, "doc", 1, 5), write(3, "doc", 3, 2),
                                  write(2, "doc", 2, 4), write(4, "other", 1, 1)));
  EXPECT_EQ(answers, (std::vector{Stored::applied, Stored::applied, Stored::superseded,
                                  Stored::applied}));
  EXPECT_EQ(chunks_of("doc"), "2");
  EXPECT_EQ(counted(), "3");
}

TEST_F(Store, AnEqualRevisionReplacesWithoutLosingRows) {
  EXPECT_EQ(store(write(1, "doc", 1, 5)), Stored::applied);
  EXPECT_EQ(store(write(2, "doc", 1, 5)), Stored::applied);
  EXPECT_EQ(chunks_of("doc"), "5");
  EXPECT_EQ(counted(), "5");
}

TEST_F(Store, AppendsChatToItsConversation) {
  EXPECT_EQ(store(write(1, "talk", 10, 1, Origin::chat)), Stored::applied);
  EXPECT_EQ(store(list(write(2, "talk", 30, 2, Origin::chat),
                       write(3, "talk", 20, 1, Origin::chat))),
            (std::vector{Stored::applied, Stored::applied}));
  EXPECT_EQ(chunks_of("talk"), "4");
  EXPECT_EQ(look("SELECT revision || '/' || chunk_count FROM app.documents"), "30/4");
  EXPECT_EQ(counted(), "4");
}

TEST_F(Store, AnUploadUnderAConversationsNameLeavesTheConversation) {
  EXPECT_EQ(store(list(write(1, "x", 10, 2, Origin::chat), write(2, "x", 3, 1),
                       write(3, "x", 4, 3))),
            (std::vector{Stored::applied, Stored::applied, Stored::applied}));
  EXPECT_EQ(chunks_of("x"), "5");
  EXPECT_EQ(counted(), "5");
}

TEST_F(Store, KeepsTheChunksThatWereThereWhenIdsCollideAndCountsThem) {
  for (const int chunks : {2, 150}) {  // one and several statements' ways of inserting
    const std::string talk = "talk-" + std::to_string(chunks);
    const auto stored = counts_.rows_stored.Value(), colliding = counts_.rows_colliding.Value();
    const auto event = static_cast<unsigned>(chunks);
    EXPECT_EQ(store(write(event, talk, 7, chunks, Origin::chat)), Stored::applied);
    EXPECT_EQ(store(write(event + 1, talk, 7, chunks + 1, Origin::chat)), Stored::applied);
    EXPECT_EQ(chunks_of(talk), std::to_string(chunks + 1));
    EXPECT_EQ(counts_.rows_colliding.Value() - colliding, chunks);
    EXPECT_EQ(counts_.rows_stored.Value() - stored, chunks + 1);
  }
  EXPECT_EQ(counted(), "154");
}

TEST_F(Store, TakesABatchOfManyEventsAndMoreRowsThanOneStatementHolds) {
  std::vector<EventWrite> writes;
  for (unsigned event = 1; event <= 256; ++event) {
    writes.push_back(write(event, "doc-" + std::to_string(event % 40), event, 5, Origin::chat));
  }
  const auto answers = store(std::move(writes));
  EXPECT_EQ(std::count(answers.begin(), answers.end(), Stored::applied), 256);
  EXPECT_EQ(counted(), "1280");
  EXPECT_EQ(look("SELECT sum(chunk_count) FROM app.documents"), "1280");
}

TEST_F(Store, StoresAnEventWithoutChunks) {
  EXPECT_EQ(store(write(1, "empty", 1, 0)), Stored::applied);
  EXPECT_EQ(look("SELECT chunk_count FROM app.documents"), "0");
  EXPECT_TRUE(store(std::vector<EventWrite>()).empty());
}

TEST_F(Store, LetsTwoTenantsUseOneEventId) {
  EXPECT_EQ(store(write(1, "doc", 1, 2)), Stored::applied);
  const auto other = new_tenant();
  std::vector<EventWrite> theirs;
  theirs.push_back(write_of(other, 1, "doc", 1, 3, Origin::upload));
  const auto answers = await(store_->store(context_, other, std::move(theirs)));
  EXPECT_EQ(answers, std::vector{Stored::applied});
  EXPECT_EQ(counted(), "2");
  owner_ = other;
  EXPECT_EQ(counted(), "3");
}

TEST_F(Store, WritesNothingForAnErasedTenant) {
  EXPECT_EQ(store(write(1, "doc", 1, 2)), Stored::applied);
  postgres::PgPersonStore people(*pool_);
  const auto erased = await(people.bury(context_, *owner_, 100));
  EXPECT_EQ(erased.chunks, 2);
  EXPECT_EQ(erased.operations, 1);
  EXPECT_EQ(chunks_of("doc"), "0");
  EXPECT_EQ(store(list(write(1, "doc", 1, 2), write(2, "doc", 2, 2))),
            (std::vector{Stored::erased, Stored::erased}));
  EXPECT_EQ(look("SELECT count(*) FROM app.ingest_events"), "0");
  EXPECT_EQ(look("SELECT state || chunk_count FROM app.tenants"), "erased0");
  auto announced = operations_->announce(context_, *owner_, event_id(3), Origin::api, doc(), {});
  EXPECT_EQ(outage_of(std::move(announced)),
            Errc::tenant_erased);
  await(store_->store_failure(context_, *owner_, event_id(4), Origin::api, doc(),
                              Errc::bad_event, {}));
  EXPECT_EQ(look("SELECT count(*) FROM app.ingest_events"), "0");
}

TEST_F(Store, ATombstoneGivesWayToNewerRevisionsOnly) {
  EXPECT_EQ(store(write(1, "doc", 5, 2)), Stored::applied);
  database_->super("UPDATE app.documents SET state = 'deleted', deleted_at = now() "
                   "WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  EXPECT_EQ(store(write(2, "doc", 5, 2)), Stored::superseded);
  EXPECT_EQ(store(write(3, "doc", 4, 2)), Stored::superseded);
  EXPECT_EQ(store(write(4, "doc", 6, 1)), Stored::applied);
  EXPECT_EQ(look("SELECT state || chunk_count FROM app.documents"), "ready1");
}

TEST_F(Store, FollowsAnOperationFromQueuedToSucceeded) {
  EXPECT_EQ(await(operations_->find(context_, *owner_, event_id(1))), std::nullopt);
  await(operations_->announce(context_, *owner_, event_id(1), Origin::api, doc(), {}));
  await(operations_->announce(context_, *owner_, event_id(1), Origin::api, doc(), {}));
  auto operation = await(operations_->find(context_, *owner_, event_id(1)));
  ASSERT_TRUE(operation);
  EXPECT_EQ(operation->state, ports::OperationState::queued);
  EXPECT_EQ(operation->origin, Origin::api);
  EXPECT_EQ(operation->doc_id, "doc");
  EXPECT_GT(operation->created_at_ms, 1'600'000'000'000);

  EXPECT_EQ(store(write(1, "doc", 1, 4, Origin::api)), Stored::applied);
  operation = await(operations_->find(context_, *owner_, event_id(1)));
  EXPECT_EQ(operation->state, ports::OperationState::succeeded);
  EXPECT_EQ(operation->chunks, 4);
  EXPECT_GE(operation->updated_at_ms, operation->created_at_ms);

  await(store_->store_failure(context_, *owner_, event_id(1), Origin::api, doc(),
                              Errc::bad_event, {}));
  await(operations_->announce(context_, *owner_, event_id(1), Origin::api, doc(), {}));
  EXPECT_EQ(await(operations_->find(context_, *owner_, event_id(1)))->state,
            ports::OperationState::succeeded);
}

TEST_F(Store, AFailureIsRememberedUntilTheEventSucceeds) {
  await(operations_->announce(context_, *owner_, event_id(1), Origin::api, doc(), {}));
  await(store_->store_failure(context_, *owner_, event_id(1), Origin::api, doc(),
                              Errc::event_too_large, {}));
  await(store_->store_failure(context_, *owner_, event_id(2), Origin::upload, {},
                              Errc::bad_event, {}));
  auto operation = await(operations_->find(context_, *owner_, event_id(1)));
  EXPECT_EQ(operation->state, ports::OperationState::failed);
  EXPECT_EQ(operation->error_code, "event_too_large");
  EXPECT_EQ(await(operations_->find(context_, *owner_, event_id(2)))->error_code, "bad_event");
  EXPECT_EQ(store(write(1, "doc", 1, 1, Origin::api)), Stored::applied);
  operation = await(operations_->find(context_, *owner_, event_id(1)));
  EXPECT_EQ(operation->state, ports::OperationState::succeeded);
  EXPECT_EQ(operation->error_code, "");
}

TEST_F(Store, AnOperationOfAnotherTenantDoesNotExist) {
  EXPECT_EQ(store(write(1, "doc", 1, 1)), Stored::applied);
  EXPECT_EQ(await(operations_->find(context_, new_tenant(), event_id(1))), std::nullopt);
}

TEST_F(Store, ParallelWritersOfOneTenantKeepTheCountsAndLoseNothing) {
  auto hammer = [&](unsigned lane) {
    asio::io_context loop;
    postgres::PgChunkStore store(*pool_);
    unsigned applied = 0;
    for (unsigned round = 0; round < 20; ++round) {
      std::vector<EventWrite> writes;
      for (unsigned event = 0; event < 8; ++event) {  // both lanes give the same events
        const unsigned number = 1 + round * 8 + (lane ? 7 - event : event);
        writes.push_back(write_of(*owner_, number, "doc-" + std::to_string(number % 5), number, 2,
                                  Origin::chat));
      }
      auto done = asio::co_spawn(
          loop, store.store(context_, *owner_, std::move(writes)), asio::use_future);
      loop.restart();
      loop.run();
      for (const auto answer : done.get()) applied += answer == Stored::applied;
    }
    return applied;
  };
  auto other = std::async(std::launch::async, hammer, 1u);
  const unsigned mine = hammer(0);
  EXPECT_EQ(mine + other.get(), 160u);
  EXPECT_EQ(counted(), "320");
  EXPECT_EQ(look("SELECT count(*) FROM app.memory_chunks"), "320");
  EXPECT_EQ(look("SELECT sum(chunk_count) FROM app.documents"), "320");
  EXPECT_EQ(counts_.rls_errors.Value(), 0);
}

}  // namespace
}  // namespace memseal::test

// What PgChunkStore::look() says of an event is what store() then answers.
#include "adapters/postgres/chunk_store.hpp"
#include "support/pg.hpp"

#include <limits>

namespace memseal::test {
namespace {

using ports::EventKey;
using ports::EventWrite;
using ports::Stored;

Uuid event_number(unsigned number) {
  Uuid id;
  id.bytes[14] = static_cast<std::uint8_t>(number >> 8);
  id.bytes[15] = static_cast<std::uint8_t>(number);
  return id;
}

class LookTest : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    store_.emplace(*pool_);
    owner_ = new_tenant();
  }
  static EventKey key(unsigned event, const std::string& doc, std::int64_t revision,
                      Origin origin = Origin::upload) {
    return {event_number(event), origin, DocId::parse(doc).value(), revision};
  }
  EventWrite write(const EventKey& key, bool expect_superseded = false) const {
    EventWrite made{.event_id = key.event_id,
                    .origin = key.origin,
                    .doc_id = key.doc_id,
                    .revision = key.revision,
                    .by_arrival = key.by_arrival,
                    .source = key.source,
                    .replayed = key.replayed,
                    .document_name_cipher = {},
                    .chunks = {},
                    .expect_superseded = expect_superseded};
    ChunkSpec spec;
    spec.doc_id = key.doc_id.value();
    spec.origin = key.origin;
    spec.revision = key.revision;
    if (!expect_superseded) made.chunks.push_back(sealed_chunk(*owner_, spec, dimension));
    return made;
  }
  Stored store(EventWrite one) {
    std::vector<EventWrite> writes;
    writes.push_back(std::move(one));
    return await(store_->store(context_, *owner_, std::move(writes))).at(0);
  }
  ports::Look looked(const EventKey& key) {
    std::vector<EventKey> keys(1, key);
    return await(store_->look(context_, *owner_, std::move(keys))).at(0);
  }
  std::optional<Stored> look(const EventKey& key) { return looked(key).answer; }
  std::string count(const std::string& from) {
    return database_->super("SELECT count(*) FROM app." + from + " WHERE user_hash = '" +
                            owner_->hash().to_hex() + "'");
  }
  void delete_document() {
    database_->super("UPDATE app.documents SET state = 'deleted', deleted_at = now() "
                     "WHERE user_hash = '" + owner_->hash().to_hex() + "'");
  }

  std::optional<postgres::PgChunkStore> store_;
  std::optional<crypto::Tenant> owner_;
};

TEST_F(LookTest, SaysWhatTheStoreThenAnswers) {
  for (const Origin first : {Origin::chat, Origin::upload, Origin::api})
    for (const Origin second : {Origin::chat, Origin::upload, Origin::api})
      for (const std::int64_t revision : {4, 5, 6})
        for (const bool deleted : {false, true}) {
          SCOPED_TRACE(std::string(origin_name(first)) + " then " +
                       std::string(origin_name(second)) + " " + std::to_string(revision) +
                       (deleted ? " deleted" : ""));
          owner_ = new_tenant();
          EXPECT_EQ(look(key(1, "doc", 5, first)), std::nullopt);
          ASSERT_EQ(store(write(key(1, "doc", 5, first))), Stored::applied);
          EXPECT_EQ(look(key(1, "doc", 5, first)), Stored::duplicate);
          if (deleted) delete_document();
          const auto said = look(key(2, "doc", revision, second));
          EXPECT_EQ(store(write(key(2, "doc", revision, second), true)),
                    said.value_or(Stored::current));
          EXPECT_EQ(store(write(key(3, "doc", revision, second))),
                    said.value_or(Stored::applied));
        }
}

/// What is read of the document for each MAC: the seed of the vector, 0 for none.
struct VectorsTest : LookTest {
  static Uuid mac(unsigned number) { return event_number(0x700 + number); }
  void store_document(const std::string& doc, std::int64_t revision, Origin origin,
                      const std::vector<unsigned>& seeds) {
    auto made = write(key(next_event_++, doc, revision, origin));
    made.chunks.clear();
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      ChunkSpec spec;
      spec.doc_id = doc;
      spec.origin = origin;
      spec.revision = revision;
      spec.index = static_cast<std::int32_t>(i);
      spec.vector_seed = seeds[i];
      spec.embed_mac = mac(seeds[i]);
      made.chunks.push_back(sealed_chunk(*owner_, spec, dimension));
    }
    ASSERT_EQ(store(std::move(made)), Stored::applied);
  }
  std::vector<unsigned> seeds_of(const crypto::Tenant& owner, const std::string& doc,
                                 const std::vector<unsigned>& wanted) {
    ports::VectorsKey key{DocId::parse(doc).value(), {}};
    for (const auto seed : wanted) key.macs.push_back(mac(seed));
    std::vector<ports::VectorsKey> keys{{DocId::parse("nothing").value(), {mac(99)}}};
    keys.push_back(std::move(key));
    const auto answers = await(store_->stored_vectors(context_, owner, std::move(keys)));
    EXPECT_EQ(answers.at(0), std::vector<ports::Embedding>(1));
    std::vector<unsigned> found;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto& vector = answers.at(1).at(i);
      found.push_back(vector.empty() ? 0 : wanted[i]);
      const auto stored = unit_vector(wanted[i], dimension);
      for (std::size_t at = 0; at < vector.size(); ++at)
        EXPECT_NEAR(vector[at], stored[at], 1e-3) << wanted[i];
    }
    return found;
  }
  using Seeds = std::vector<unsigned>;
  unsigned next_event_ = 1;
};

TEST_F(VectorsTest, AreThoseOfTheStoredVersionOfTheDocument) {
  const auto eve = new_tenant();
  EXPECT_FALSE(looked(key(90, "doc", 1)).replaces);
  store_document("doc", 1, Origin::upload, {1, 2, 3});
  EXPECT_TRUE(looked(key(90, "doc", 2)).replaces);
  EXPECT_EQ(seeds_of(*owner_, "doc", {3, 4, 1, 3}), (Seeds{3, 0, 1, 3}));
  EXPECT_EQ(seeds_of(*owner_, "other", {1}), Seeds{0});
  EXPECT_EQ(seeds_of(eve, "doc", {1}), Seeds{0}) << "another tenant";
  store_document("doc", 2, Origin::api, {3, 5});
  EXPECT_EQ(seeds_of(*owner_, "doc", {1, 3, 5}), (Seeds{0, 3, 5}));
  store_document("talk", 1, Origin::chat, {7});
  EXPECT_EQ(seeds_of(*owner_, "talk", {7}), Seeds{0}) << "turns are not edited";
  delete_document();
  EXPECT_FALSE(looked(key(90, "doc", 9)).replaces);
}

TEST_F(VectorsTest, OfRowsFromBeforeThereWereMacsAreNotKept) {
  ASSERT_EQ(store(write(key(1, "doc", 1))), Stored::applied);
  EXPECT_TRUE(looked(key(2, "doc", 2)).replaces);
  EXPECT_EQ(seeds_of(*owner_, "doc", {1}), Seeds{0});
}

TEST_F(LookTest, ALaterArrivalSupersedesWhatItNames) {
  const auto arriving = [](unsigned event, std::int64_t replayed_from_ms = 0,
                           std::optional<Uuid> superseded_by = {}) {
    auto made = key(event, "doc", 1);
    made.by_arrival = ports::ByArrival{replayed_from_ms, superseded_by};
    return made;
  };
  EXPECT_EQ(store(write(key(1, "doc", 900))), Stored::applied);
  EXPECT_EQ(look(arriving(2)), std::nullopt) << "no revision outranks a later arrival";
  EXPECT_EQ(look(arriving(2, 0, event_number(3))), std::nullopt);
  EXPECT_EQ(store(write(arriving(2, 0, event_number(3)), true)), Stored::current)
      << "the later one is not there";
  EXPECT_EQ(store(write(arriving(3))), Stored::applied);
  EXPECT_EQ(store(write(arriving(2, 0, event_number(3)), true)), Stored::superseded);
  EXPECT_EQ(count("ingest_events"), "3");
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.ingest_events WHERE error_code = "
                             "'superseded' AND user_hash = '" + owner_->hash().to_hex() + "'"),
            "1");
  const std::int64_t long_ago = 1'700'000'000'000, far_ahead = 4'000'000'000'000;
  EXPECT_EQ(look(arriving(4, long_ago)), Stored::superseded);
  EXPECT_EQ(store(write(arriving(4, long_ago), true)), Stored::superseded);
  EXPECT_EQ(look(arriving(5, far_ahead)), std::nullopt);
  EXPECT_EQ(store(write(arriving(5, far_ahead), true)), Stored::current);
  EXPECT_EQ(store(write(arriving(6, 4'000'000'000'000))), Stored::applied);
}

TEST_F(LookTest, SaysWhatTheStoreThenAnswersOfAnEventThatIsReplayed) {
  unsigned number = 10;
  for (const std::int64_t revision : {0, 4, 5, 6})
    for (const std::int64_t offset : {9, 11})
      for (const std::int32_t partition : {0, 1})
        for (const std::int64_t from_ms : {1'700'000'000'000, 4'000'000'000'000}) {
          SCOPED_TRACE(std::to_string(revision) + " at " + std::to_string(partition) + "/" +
                       std::to_string(offset) + " of " + std::to_string(from_ms));
          owner_ = new_tenant();
          auto first = key(1, "doc", 5);
          first.source = ports::SourcePlace{"memory.upload.v1", 0, 10};
          ASSERT_EQ(store(write(first)), Stored::applied);
          const auto replayed = [&] {
            auto made = key(++number, "doc", std::max<std::int64_t>(revision, 1));
            if (revision == 0) made.by_arrival = ports::ByArrival{from_ms};
            made.source = ports::SourcePlace{"memory.upload.v1", partition, offset};
            made.replayed = true;
            return made;
          };
          const auto said = look(replayed());
          const bool lies_before = partition == 0 && offset == 9;
          const bool is_by_time = partition == 1 && from_ms < 2'000'000'000'000;
          const bool was_before = from_ms < 2'000'000'000'000 && (lies_before || is_by_time);
          const bool is_old = revision == 0 ? was_before
                                            : revision == 4 || (revision == 5 && lies_before);
          EXPECT_EQ(said == Stored::superseded, is_old);
          EXPECT_EQ(store(write(replayed(), true)), said.value_or(Stored::current));
          EXPECT_EQ(store(write(replayed())), said.value_or(Stored::applied));
        }
}

TEST_F(LookTest, KnowsAnEventThatWasSentAgainFromOneThatIsDeliveredAgain) {
  constexpr auto time_max = std::numeric_limits<std::int64_t>::max();
  auto one = key(1, "doc", 5);
  EXPECT_EQ(store(write(one)), Stored::applied);
  for (const std::int64_t record_ms : {std::int64_t(0), std::int64_t(1), -time_max}) {
    one.record_ms = record_ms;
    EXPECT_EQ(look(one), Stored::duplicate) << record_ms;
  }
  for (const std::int64_t record_ms : {std::int64_t(4'000'000'000'000), time_max}) {
    one.record_ms = record_ms;
    EXPECT_EQ(look(one), Stored::sent_again) << record_ms;
  }
}

TEST_F(LookTest, AnswersInTheOrderOfTheEvents) {
  store(write(key(1, "a", 5)));
  std::vector<EventKey> keys{key(9, "b", 1), key(8, "a", 1), key(1, "a", 5), key(7, "a", 6),
                             key(9, "b", 1)};
  std::vector<std::optional<Stored>> answers;
  for (const auto& said : await(store_->look(context_, *owner_, std::move(keys))))
    answers.push_back(said.answer);
  EXPECT_EQ(answers,
            (std::vector<std::optional<Stored>>{std::nullopt, Stored::superseded,
                                                Stored::duplicate, std::nullopt, std::nullopt}));
}

TEST_F(LookTest, WritesNothing) {
  EXPECT_EQ(look(key(1, "doc", 1)), std::nullopt);
  for (const char* table : {"tenants", "documents", "ingest_events"}) EXPECT_EQ(count(table), "0");
}

TEST_F(LookTest, SeesNoRowOfAnotherTenant) {
  store(write(key(1, "doc", 5)));
  owner_ = new_tenant();
  EXPECT_EQ(look(key(1, "doc", 1)), std::nullopt);
}

TEST_F(LookTest, AFailedEventIsNoDuplicate) {
  const auto failed = key(1, "doc", 1);
  await(store_->store_failure(context_, *owner_, failed.event_id, Origin::upload, failed.doc_id,
                              Errc::internal, {}));
  EXPECT_EQ(look(failed), std::nullopt);
}

TEST_F(LookTest, ASupersededEventEntersTheLedgerOnly) {
  store(write(key(1, "doc", 5)));
  const auto old = key(2, "doc", 4);
  EXPECT_EQ(store(write(old, true)), Stored::superseded);
  EXPECT_EQ(look(old), Stored::duplicate);
  EXPECT_EQ(store(write(old, true)), Stored::duplicate);
  EXPECT_EQ(count("memory_chunks"), "1");
  EXPECT_EQ(count("ingest_events"), "2");
}

TEST_F(LookTest, AnEventThatIsNotSupersededIsNotWrittenWithoutItsChunks) {
  EXPECT_EQ(store(write(key(1, "doc", 5), true)), Stored::current);
  EXPECT_EQ(count("documents"), "0");
  EXPECT_EQ(count("ingest_events"), "0");
  EXPECT_EQ(store(write(key(1, "doc", 5))), Stored::applied);
}

TEST_F(LookTest, TheNewerUploadOfOneCallSupersedesTheOlder) {
  std::vector<EventWrite> writes;
  writes.push_back(write(key(1, "doc", 4), true));
  writes.push_back(write(key(1, "doc", 4), true));
  writes.push_back(write(key(2, "doc", 5)));
  EXPECT_EQ(await(store_->store(context_, *owner_, std::move(writes))),
            (std::vector{Stored::superseded, Stored::duplicate, Stored::applied}));
}

}  // namespace
}  // namespace memseal::test

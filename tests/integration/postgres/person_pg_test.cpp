// The erasure of a tenant in the database: whole, one-way, behind every writer, heard everywhere.
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/erasure_listener.hpp"
#include "adapters/postgres/file_catalog.hpp"
#include "adapters/postgres/person_store.hpp"
#include "support/pg.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace memseal::test {
namespace {

class Person : public MigratedPgTest {
 protected:
  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    people_ = std::make_unique<postgres::PgPersonStore>(*pool_);
    chunks_ = std::make_unique<postgres::PgChunkStore>(*pool_);
    catalog_ = std::make_unique<postgres::PgFileCatalog>(*pool_);
  }

  /// Stores a document of so many chunks of 9 bytes.
  void store(const crypto::Tenant& owner, const std::string& id, int chunks,
             Origin origin = Origin::upload) {
    auto event = event_of({.doc_id = id, .origin = origin});
    for (int index = 0; index < chunks; ++index)
      event.chunks.push_back(sealed_chunk(
          owner, {.doc_id = id, .origin = origin, .index = index}, dimension));
    std::vector<ports::EventWrite> events;
    events.push_back(std::move(event));
    (void)await(chunks_->store(context_, owner, std::move(events)));
  }
  void add_file(const crypto::Tenant& owner, std::int64_t bytes) {
    ports::FileRow row;
    row.id = crypto::random_uuid();
    row.object = crypto::random_uuid();
    row.name_mac = crypto::random_uuid();
    row.facts_cipher = Bytes(40, 7);
    row.bytes = bytes;
    (void)await(catalog_->add(context_, owner, row, {1'000, 100}));
  }
  /// Rows of a tenant in all tables but the one of the tombstones.
  std::string rows_of(const crypto::Tenant& owner) {
    std::string sql;
    for (const auto* table : {"tenant_keys", "memory_chunks", "documents", "ingest_events",
                              "idempotency_keys", "files"})
      sql += (sql.empty() ? "SELECT " : " + ") +
             ("(SELECT count(*) FROM app." + std::string(table) + " WHERE user_hash = '" +
              owner.hash().to_hex() + "')");
    return database_->super(sql);
  }
  /// What app_user is told when it runs `sql` as this tenant; "ok <rows>" where it may.
  std::string as_tenant(const crypto::Tenant& owner, const std::string& sql) {
    pqxx::connection session(database_->app_dsn());
    pqxx::work tx(session);
    tx.exec("SET LOCAL app.user_hash = '" + owner.hash().to_hex() + "'");
    try {
      return "ok " + std::to_string(tx.exec(sql).affected_rows());
    } catch (const pqxx::sql_error& refused) {
      return refused.what();
    }
  }

  std::unique_ptr<postgres::PgPersonStore> people_;
  std::unique_ptr<postgres::PgChunkStore> chunks_;
  std::unique_ptr<postgres::PgFileCatalog> catalog_;
};

TEST_F(Person, IsCountedAndErasedInPartsWhileAnotherStays) {
  const auto ada = new_tenant(), bob = new_tenant();
  for (const auto& owner : {ada, bob}) {
    store(owner, "a", 3);
    store(owner, "b", 2);
    store(owner, "talk", 2, Origin::chat);
    add_file(owner, 7);
  }
  const auto before = await(people_->look(context_, ada));
  EXPECT_TRUE(before.known);
  EXPECT_FALSE(before.erased_at_ms);
  EXPECT_EQ(before.counts.documents, 2);
  EXPECT_EQ(before.counts.conversations, 1);
  EXPECT_EQ(before.counts.chunks, 7);
  EXPECT_EQ(before.counts.text_bytes, 7 * 9);
  EXPECT_EQ(before.counts.files, 1);
  EXPECT_EQ(before.counts.file_bytes, 7);
  EXPECT_EQ(outage_of(people_->delete_rows(context_, ada, 10)), Errc::internal)
      << "nothing is deleted of a tenant that is not erased";

  const auto erasure = await(people_->bury(context_, ada, 2));
  EXPECT_EQ(erasure.documents, 2);
  EXPECT_EQ(erasure.conversations, 1);
  EXPECT_EQ(erasure.chunks, 7);
  EXPECT_EQ(erasure.operations, 3);
  EXPECT_EQ(erasure.files, 1);
  EXPECT_EQ(erasure.file_bytes, 7);
  EXPECT_NE(rows_of(ada), "0") << "the rest goes by parts";
  const auto buried = await(people_->look(context_, ada));
  EXPECT_EQ(buried.erased_at_ms, erasure.at_ms);
  EXPECT_EQ(buried.counts.chunks, 0) << "what is left opens no more";
  bool is_left = true;
  for (int part = 0; is_left; ++part) {
    ASSERT_LT(part, 9);
    is_left = await(people_->delete_rows(context_, ada, 2));
  }
  EXPECT_EQ(rows_of(ada), "0");
  EXPECT_EQ(await(people_->bury(context_, ada, 2)), erasure) << "again";
  EXPECT_EQ(await(people_->look(context_, bob)).counts.chunks, 7);
  EXPECT_EQ(rows_of(bob), "14");
}

TEST_F(Person, ATombstoneCannotBeTakenBack) {
  const auto ada = new_tenant();
  store(ada, "a", 1);
  (void)await(people_->bury(context_, ada, 10));
  EXPECT_EQ(as_tenant(ada, "UPDATE app.tenants SET state = 'active'"), "ok 0");
  EXPECT_EQ(as_tenant(ada, "UPDATE app.tenants SET erased_counts = NULL"), "ok 0");
  EXPECT_EQ(as_tenant(ada, "INSERT INTO app.tenants (user_hash) VALUES ('" + ada.hash().to_hex() +
                               "') ON CONFLICT DO NOTHING"),
            "ok 0");
  const auto by_conflict =
      as_tenant(ada, "INSERT INTO app.tenants (user_hash) VALUES ('" + ada.hash().to_hex() +
                         "') ON CONFLICT (user_hash) DO UPDATE SET state = 'active'");
  EXPECT_NE(by_conflict.find("row-level security"), std::string::npos) << by_conflict;
  EXPECT_NE(as_tenant(ada, "DELETE FROM app.tenants").find("permission denied"),
            std::string::npos);
  EXPECT_TRUE(await(people_->look(context_, ada)).erased_at_ms);
}

// Ingest holds the tenant's row (FOR KEY SHARE) from its first statement to its commit.
TEST_F(Person, AWriterInTheMiddleEndsBeforeTheErasureAndWritesNothingBehindIt) {
  const auto ada = new_tenant();
  store(ada, "a", 1);
  pqxx::connection session(database_->app_dsn());
  pqxx::work writer(session);
  writer.exec("SET LOCAL app.user_hash = '" + ada.hash().to_hex() + "'");
  ASSERT_EQ(writer.exec("SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant()) "
                        "FOR KEY SHARE").size(), 1);
  std::optional<ports::Erasure> erasure;
  std::thread eraser([&] {
    postgres::PgPersonStore people(*pool_);
    run([&]() -> asio::awaitable<void> {
      // A lock that is held for longer than lock_timeout is an outage: the caller says it again.
      while (!erasure) {
        try {
          erasure = co_await people.bury(context_, ada, 10);
        } catch (const Outage&) {
        }
      }
    }());
  });
  const auto waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                     "AND wait_event_type = 'Lock'";
  while (database_->super(waits) == "0") std::this_thread::yield();
  writer.exec("INSERT INTO app.documents (user_hash, doc_id, revision, kind) VALUES ('" +
              ada.hash().to_hex() + "', 'late', 1, 'upload')");
  writer.commit();
  eraser.join();
  ASSERT_TRUE(erasure);
  EXPECT_EQ(rows_of(ada), "0") << "the writer's row went too";
  pqxx::work later(session);
  later.exec("SET LOCAL app.user_hash = '" + ada.hash().to_hex() + "'");
  EXPECT_EQ(later.exec("SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant()) "
                       "FOR KEY SHARE").size(), 0) << "no writer finds a tenant to lock";
}

TEST_F(Person, EveryProcessHearsOfAnErasureAlsoBehindALostConnection) {
  const auto ada = new_tenant(), bob = new_tenant();
  std::mutex mutex;
  std::condition_variable changed;
  std::set<UserHash> heard;
  int missed = 0;
  const auto wait = [&](const std::function<bool()>& holds) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), holds);
  };
  const postgres::ErasureListener listener(
      database_->app_dsn(), counts_,
      {.erased =
           [&](const UserHash& hash) {
             const std::lock_guard lock(mutex);
             heard.insert(hash);
             changed.notify_all();
           },
       .missed =
           [&] {
             const std::lock_guard lock(mutex);
             ++missed;
             changed.notify_all();
           }});
  ASSERT_TRUE(wait([&] { return missed == 1; })) << "what was erased before it listened";
  database_->super("SELECT pg_notify('memseal.erasures', 'not a hash')");
  (void)await(people_->bury(context_, ada, 10));
  ASSERT_TRUE(wait([&] { return heard.contains(ada.hash()); }));
  EXPECT_EQ(heard.size(), 1u);
  EXPECT_EQ(counts_.erasures_heard.Value(), 1);
  database_->super("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                   "WHERE datname = current_database() AND query LIKE 'LISTEN%'");
  ASSERT_TRUE(wait([&] { return missed == 2; })) << "it listens again";
  (void)await(people_->bury(context_, bob, 10));
  EXPECT_TRUE(wait([&] { return heard.contains(bob.hash()); }));
}

// The other eraser holds the rows of the next part, and takes them: that says nothing of the rest.
TEST_F(Person, TwoErasersLeaveNoRowAndTheNoteSaysThatTheyAreAtWork) {
  const auto ada = new_tenant();
  database_->super("DELETE FROM app.erasures");
  store(ada, "a", 9);
  (void)await(people_->bury(context_, ada, 2));
  database_->super("UPDATE app.erasures SET taken_at = now() - interval '5 minutes'");
  const auto mine = " WHERE user_hash = '" + ada.hash().to_hex() + "'";
  for (const bool is_eraser : {true, false}) {
    pqxx::connection session(database_->app_dsn());
    pqxx::work other(session);
    other.exec("SET LOCAL app.user_hash = '" + ada.hash().to_hex() + "'");
    if (is_eraser)  // what delete_rows() does first
      other.exec("SELECT pg_advisory_xact_lock(hashtextextended('memseal.erasure:' || "
                 "app.tenant(), 0))");
    const auto taken = other.exec("DELETE FROM app.memory_chunks" + mine +
                                  " AND id = ANY (ARRAY(SELECT id FROM app.memory_chunks" + mine +
                                  " LIMIT 2))");
    ASSERT_EQ(taken.affected_rows(), 2);
    std::optional<bool> is_left;
    std::thread eraser([&] {
      postgres::PgPersonStore people(*pool_);
      run([&]() -> asio::awaitable<void> {
        while (!is_left) {
          try {
            is_left = co_await people.delete_rows(context_, ada, 2);
          } catch (const Outage&) {  // lock_timeout
          }
        }
      }());
    });
    while (database_->super("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND wait_event_type = 'Lock'") == "0")
      std::this_thread::yield();
    other.commit();
    eraser.join();
    EXPECT_EQ(is_left, true) << "rows are left";
    EXPECT_EQ(rows_of(ada) == "0", false);
  }
  EXPECT_TRUE(await(people_->take_unfinished(context_, std::chrono::seconds(60), 8)).empty())
      << "an erasure that goes on is nobody else's";
  bool is_left = true;
  while (is_left) is_left = await(people_->delete_rows(context_, ada, 2));
  EXPECT_EQ(rows_of(ada), "0");
}

TEST_F(Person, AnErasureThatNobodyEndedIsTakenOverByOneProcess) {
  const auto ada = new_tenant();
  database_->super("DELETE FROM app.erasures");
  const auto take = [&](int silence_s) {
    return await(people_->take_unfinished(context_, std::chrono::seconds(silence_s), 8));
  };
  (void)await(people_->bury(context_, ada, 10));
  EXPECT_TRUE(take(60).empty()) << "its process is at work";
  database_->super("UPDATE app.erasures SET taken_at = now() - interval '2 minutes'");
  EXPECT_EQ(take(60), std::vector{ada.hash()});
  EXPECT_TRUE(take(60).empty()) << "the other process has it now";
  await(people_->finish(context_, ada));
  database_->super("UPDATE app.erasures SET taken_at = now() - interval '2 minutes'");
  EXPECT_TRUE(take(60).empty());
}

}  // namespace
}  // namespace memseal::test

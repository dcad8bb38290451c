// Ingest on a database that refuses writes for a while: no event is blamed, and all are stored soon
// after the refusal ends. One event that the database refuses is found among its neighbours.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "base/on_exit.hpp"
#include "cases/ingest/worker.hpp"
#include "fakes/embedder.hpp"
#include "fakes/event_sink.hpp"
#include "fakes/event_source.hpp"
#include "pure/wire/event.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"
#include "support/pg.hpp"
#include "support/pg_keys.hpp"
#include "support/test_key.hpp"

#include <boost/asio/thread_pool.hpp>

#include <filesystem>

namespace memseal::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

text::WordPiece tiny_words() {
  auto words =
      text::WordPiece::from_vocabulary("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n");
  return std::move(words.value());
}

class IngestBlame : public MigratedPgTest {
 protected:
  static constexpr auto outage = 4s;

  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    pool_ = make_pool(4);
    const auto file = std::filesystem::temp_directory_path() / (database_->name() + ".keys");
    std::filesystem::remove(file);
    ASSERT_TRUE(crypto::Keyring::create(file));
    auto keyring = crypto::Keyring::load(file);
    std::filesystem::remove(file);
    ASSERT_TRUE(keyring) << keyring.error().message;
    keyring_.emplace(std::move(*keyring));
    keys_.emplace(*pool_, *keyring_);
    store_.emplace(*pool_);
    source_.stop_when_empty = false;
    empty_tables();
  }
  void TearDown() override {
    cpu_.join();
    keys_.reset();
    store_.reset();
    MigratedPgTest::TearDown();
  }

  ports::Record record(int number) {
    const auto user = "user-" + std::to_string(number % 5), id = std::to_string(number);
    const wire::UploadEvent event{
        .head = {.id = id, .source = "test", .user = UserId::parse(user).value(), .time_ms = 1},
        .doc_id = DocId::parse("doc-" + id).value(),
        .name = "notes.txt",
        .mime_type = "text/plain",
        .text = "hello world",
        .revision = 1,
        .tags = {},
        .attributes_json = {},
        .origin = Origin::upload};
    return {.topic = "memory.upload.v1",
            .partition = 0,
            .offset = number,
            .timestamp_ms = 1,
            .key = user,
            .value = wire::make_upload_event(event)};
  }
  void push(int first, int count) {
    ports::Batch batch{{}, 1};
    for (int i = first; i < first + count; ++i) batch.records.push_back(record(i));
    source_.push(std::move(batch));
  }

  /// Waits until `count` records are done. Returns how long that took.
  asio::awaitable<SteadyClock::duration> wait_for_done(std::size_t count) {
    const auto start = SteadyClock::now();
    while (source_.offsets_done.size() < count && SteadyClock::now() - start < 60s)
      co_await runtime::pause_for(20ms);
    co_return SteadyClock::now() - start;
  }
  std::string rows() { return database_->super("SELECT count(*) FROM app.memory_chunks"); }

  /// One batch before the outage, two that meet it.
  asio::awaitable<void> through_outage(std::function<void()> begin, std::function<void()> end) {
    push(0, 20);
    co_await wait_for_done(20);
    EXPECT_EQ(rows(), "20");
    begin();
    push(20, 20);
    push(40, 20);
    co_await runtime::pause_for(outage);
    EXPECT_EQ(source_.offsets_done.size(), 20u) << "the outage stopped ingest";
    EXPECT_EQ(stalled(), 1);
    end();
    const auto took = co_await wait_for_done(60);
    EXPECT_LT(took, 10s);
    source_.stop();
  }
  void run_through(std::function<void()> begin, std::function<void()> end) {
    ingest::WorkerDeps deps{source_, sink_, *store_,     keys_->keys, embedder_,      words_,
                            keyer_,  ids_,  letter_key_, cpu_,        ingest_metrics_};
    ingest::Worker worker(deps, {});
    runtime::TaskGroup tasks(loop_.get_executor());
    tasks.spawn(worker.run());
    tasks.spawn(through_outage(std::move(begin), std::move(end)));
    await(tasks.join());
    EXPECT_EQ(dead_letters(), 0u) << "no event is to blame";
    EXPECT_EQ(rows(), "60");
    EXPECT_EQ(stalled(), 0);
  }
  std::size_t dead_letters() const { return sink_.to(ports::Channel::dead_letter).size(); }
  double stalled() { return ingest_metrics_.stalled.Value(); }
  void alter_database(const std::string& what) {
    admin("ALTER DATABASE " + database_->name() + " " + what);
  }
  /// Keys too, because each test has a keyring of its own.
  void empty_tables() {
    for (const char* table :
         {"memory_chunks", "documents", "ingest_events", "tenant_keys", "tenants"})
      admin("DELETE FROM app." + std::string(table));
  }
  /// Runs SQL as the superuser, also while the database is read-only by default.
  void admin(const std::string& sql) {
    pqxx::connection session(database_->super_dsn() +
                             " options='-c default_transaction_read_only=off'");
    pqxx::nontransaction(session).exec(sql);
  }
  void end_sessions() {
    database_->super(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename = 'app_user'");
  }
  void set_on_server(const std::string& setting) {
    admin("ALTER SYSTEM " + setting);
    admin("SELECT pg_reload_conf()");
  }

  runtime::Metrics ingest_registry_;
  ingest::IngestMetrics ingest_metrics_{ingest_registry_};
  fakes::EventSource source_{loop_.get_executor()};
  fakes::EventSink sink_;
  fakes::Embedder embedder_{dimension};
  text::WordPiece words_ = tiny_words();
  crypto::TenantKeyer keyer_{test::test_key(1)};
  crypto::IdDeriver ids_{test::test_key(2)};
  std::function<crypto::TenantKey()> letter_key_ = [] {
    return crypto::TenantKey{7, test::test_key(3)};
  };
  asio::thread_pool cpu_{1};
  std::optional<crypto::Keyring> keyring_;
  std::optional<ProcessKeys> keys_;
  std::optional<postgres::PgChunkStore> store_;
};

TEST_F(IngestBlame, WaitsWhileNewSessionsAreReadOnly) {
  run_through(
      [&] {
        alter_database("SET default_transaction_read_only = on");
        end_sessions();
      },
      [&] { alter_database("RESET default_transaction_read_only"); });
}

TEST_F(IngestBlame, WaitsWhileTheServerTurnsReadOnlyUnderOpenSessions) {
  const OnExit restore([&] { set_on_server("RESET default_transaction_read_only"); });
  run_through([&] { set_on_server("SET default_transaction_read_only = on"); },
              [&] { set_on_server("RESET default_transaction_read_only"); });
}

TEST_F(IngestBlame, WaitsWhileARightIsMissing) {
  for (const char* right : {"INSERT ON app.memory_chunks", "INSERT ON app.documents"}) {
    SCOPED_TRACE(right);
    database_->super(
        "DELETE FROM app.memory_chunks; DELETE FROM app.documents; "
        "DELETE FROM app.ingest_events");
    source_.offsets_done.clear();
    source_.stopped = false;
    const std::string what = right;
    run_through([&] { database_->super("REVOKE " + what + " FROM app_user"); },
                [&] { database_->super("GRANT " + what + " TO app_user"); });
  }
}

TEST_F(IngestBlame, WaitsWhileTheVectorColumnHasAnotherLength) {
  run_through(
      [&] {
        database_->super("ALTER TABLE app.memory_chunks RENAME COLUMN embedding TO kept");
        database_->super("ALTER TABLE app.memory_chunks ADD COLUMN embedding halfvec(3)");
      },
      [&] {
        database_->super("ALTER TABLE app.memory_chunks DROP COLUMN embedding");
        database_->super("ALTER TABLE app.memory_chunks RENAME COLUMN kept TO embedding");
      });
}

TEST_F(IngestBlame, ReadingGoesOnWhileNothingIsWritable) {
  push(0, 1);
  alter_database("SET default_transaction_read_only = on");
  end_sessions();
  const OnExit restore([&] { alter_database("RESET default_transaction_read_only"); });
  postgres::PgChunkSearch search(*pool_);
  ports::QueryVector query{unit_vector(1, dimension)};
  EXPECT_EQ(outage_of(store_->store_failure(context_, new_tenant(), Uuid{}, Origin::upload,
                                            std::nullopt, Errc::bad_event, {})),
            Errc::unavailable);
  ports::SearchFilter all;
  EXPECT_TRUE(await(search.nearest(context_, new_tenant(), query, 3, all)).empty());
}

// A value that PostgreSQL refuses: a check on the table stands for it.
TEST_F(IngestBlame, FindsTheEventThatTheDatabaseRefuses) {
  const auto owner = keyer_.tenant_of(UserId::parse("user-2").value());
  const auto poison = ids_.event_id(owner, "test", "7");
  database_->super("ALTER TABLE app.ingest_events ADD CONSTRAINT odd CHECK (event_id <> '" +
                   poison.to_string() + "' OR state = 'failed') NOT VALID");
  const OnExit restore(
      [&] { database_->super("ALTER TABLE app.ingest_events DROP CONSTRAINT odd"); });
  ingest::WorkerDeps deps{source_, sink_, *store_,     keys_->keys, embedder_,      words_,
                          keyer_,  ids_,  letter_key_, cpu_,        ingest_metrics_};
  ingest::Worker worker(deps, {});
  push(0, 20);
  source_.stop_when_empty = true;
  await(worker.run());
  EXPECT_EQ(rows(), "19");
  ASSERT_EQ(dead_letters(), 1u);
  EXPECT_EQ(
      database_->super("SELECT state || error_code FROM app.ingest_events WHERE event_id = '" +
                       poison.to_string() + "'"),
      "failedinternal");
}

TEST_F(IngestBlame, EmbedsNothingWhenAStoredTopicComesAgain) {
  const auto replay = [&] {
    push(0, 20);
    push(20, 20);
    ingest::WorkerDeps deps{source_, sink_, *store_,     keys_->keys, embedder_,      words_,
                            keyer_,  ids_,  letter_key_, cpu_,        ingest_metrics_};
    ingest::Worker worker(deps, {});
    source_.stop_when_empty = true;
    await(worker.run());
  };
  replay();
  EXPECT_EQ(rows(), "40");
  EXPECT_EQ(embedder_.texts().size(), 40u);
  const auto calls = embedder_.faults.calls;
  replay();
  EXPECT_EQ(embedder_.faults.calls, calls);
  EXPECT_EQ(rows(), "40");
  EXPECT_EQ(source_.offsets_done.size(), 80u);
}

TEST_F(IngestBlame, ARehearsalLeavesNothingBehind) {
  std::vector<ports::EventWrite> writes;
  writes.push_back({.event_id = Uuid{},
                    .origin = Origin::upload,
                    .doc_id = DocId::parse("doc").value(),
                    .revision = 1,
                    .document_name_cipher = {},
                    .chunks = {}});
  ChunkSpec spec;
  const auto owner = new_tenant();
  writes[0].chunks.push_back(sealed_chunk(owner, spec, dimension));
  await(store_->rehearse(context_, owner, std::move(writes)));
  for (const char* table : {"tenants", "documents", "memory_chunks", "ingest_events"})
    EXPECT_EQ(database_->super("SELECT count(*) FROM app." + std::string(table) +
                               " WHERE user_hash = '" + owner.hash().to_hex() + "'"),
              "0")
        << table;
}

}  // namespace
}  // namespace memseal::test

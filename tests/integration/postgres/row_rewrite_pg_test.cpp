// How rows lie in the table (migration 0011), and how those of before come to lie so.
#include "adapters/postgres/row_rewrite.hpp"

#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/internal/migration_sql.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "support/pg.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

namespace memseal::test {
namespace {

using postgres::RewriteReport;

constexpr std::size_t dimension = 384;
constexpr int wide_version = 10;

/// A database that each test finds empty and at the version before.
class RowRewrite : public PgTest {
 protected:
  static void SetUpTestSuite() {
    if (!std::getenv("MEMSEAL_TEST_PG_SUPER")) return;
    database_ = std::make_unique<TestDatabase>(dimension);
    migrate(*database_, wide_version);
  }
  static void TearDownTestSuite() { database_.reset(); }
  void SetUp() override {
    PgTest::SetUp();
    if (IsSkipped()) return;
    database_->super("TRUNCATE app.tenants, app.tenant_keys, app.documents, app.ingest_events, "
                     "app.memory_chunks CASCADE");
    auto options = database_->options();
    options.to = wide_version;
    options.lose_data = true;
    const auto report = postgres::migrate_down(options);
    ASSERT_TRUE(report) << report.error().message;
  }
  void TearDown() override { close(); }

  static void migrate(const TestDatabase& database, std::optional<int> to = {}) {
    auto options = database.options();
    options.to = to;
    const auto report = postgres::migrate_up(options);
    ASSERT_TRUE(report) << report.error().message;
  }
  static void migrate() { migrate(*database_); }
  void open() {
    pool_ = std::make_unique<postgres::Pool>(
        postgres::PoolOptions{.dsn = database_->app_dsn(), .connections = 2}, counts_);
  }
  void close() { pool_.reset(); }

  static crypto::Tenant user(int number) {
    static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 0x5a)));
    return keyer.tenant_of(UserId::parse("user-" + std::to_string(number)).value());
  }
  void store(const crypto::Tenant& owner, const std::string& doc, int chunks,
             std::size_t text_bytes) {
    ChunkSpec spec{.doc_id = doc, .text = std::string(text_bytes, 'x')};
    std::vector<ports::EventWrite> writes;
    writes.push_back(event_of(spec));
    for (spec.index = 0; spec.index < chunks; ++spec.index) {
      spec.vector_seed = static_cast<unsigned>(spec.index);
      writes.back().chunks.push_back(sealed_chunk(owner, spec, dimension));
    }
    postgres::PgChunkStore store(*pool_);
    ASSERT_EQ(await(store.store(soon(), owner, std::move(writes))).at(0), ports::Stored::applied);
  }
  std::vector<std::string> nearest(const crypto::Tenant& owner) {
    postgres::PgChunkSearch search(*pool_);
    const ports::QueryVector query{unit_vector(7, dimension)};
    std::vector<std::string> found;
    for (const auto& row : await(search.nearest(soon(), owner, query, 24, ports::SearchFilter{})))
      found.push_back(row.id.to_string() + " " + std::to_string(row.distance));
    return found;
  }
  void fill_before() {
    open();
    for (int number = 1; number <= 3; ++number) store(user(number), "doc", 30, 700);
    close();
  }

  /// Notes its rests instead of resting.
  postgres::RewriteOptions options() {
    return {.reader_dsn = database_->super_dsn(),
            .writer_dsn = database_->app_dsn(),
            .batch_rows = 10,
            .rest = 1,
            .pause = [this](auto time) { pauses_.push_back(time.count()); }};
  }
  RewriteReport rewrite(const postgres::RewriteOptions& options,
                        const std::function<bool(const RewriteReport&)>& tell = no_end) {
    return rewrite_rows(options, tell).value();
  }
  RewriteReport rewrite() { return rewrite(options()); }
  static bool no_end(const RewriteReport&) { return true; }
  std::string left() {
    return database_->super("SELECT count(*) FROM app.memory_chunks WHERE filler IS NULL");
  }
  /// All that rows say.
  std::string content() {
    return database_->super(
        "SELECT md5(string_agg(row(id, user_hash, doc_id, source, text_plain, text_cipher, "
        "meta_cipher, embedding, chunk_index, char_start, char_end, created_at, updated_at, "
        "expires_at, tags, model, embed_mac)::text, ',' ORDER BY user_hash, id)) "
        "FROM app.memory_chunks");
  }
  /// Packs the rows anew, because gaps of pages take rows of anybody.
  void pack() { database_->super("VACUUM FULL app.memory_chunks"); }
  double rows_a_page(const std::string& where = "true") {
    return std::stod(database_->super(
        "SELECT count(*)::float8 / count(DISTINCT (ctid::text::point)[0]) "
        "FROM app.memory_chunks WHERE " + where));
  }

  static runtime::RequestContext soon() {
    return {"test", runtime::Deadline::after(std::chrono::seconds(30))};
  }

  static inline std::unique_ptr<TestDatabase> database_;
  std::vector<double> pauses_;
  runtime::Metrics metrics_;
  postgres::PostgresMetrics counts_{metrics_};
  std::unique_ptr<postgres::Pool> pool_;
};

TEST_F(RowRewrite, ARowIsNarrowWhateverTheLengthOfItsText) {
  open();
  store(user(1), "before", 35, 700);
  EXPECT_LT(rows_a_page(), 5) << "text and vector lie together";
  database_->super("TRUNCATE app.memory_chunks CASCADE");
  migrate();
  const std::size_t lengths[] = {1, 300, 900, 3'000};
  const auto doc_of = [](std::size_t bytes) { return "of-" + std::to_string(bytes); };
  for (const auto bytes : lengths) store(user(2), doc_of(bytes), 35, bytes);
  pack();
  for (const auto bytes : lengths)
    EXPECT_GE(rows_a_page("doc_id = '" + doc_of(bytes) + "'"), 5) << bytes;
  EXPECT_GE(rows_a_page(), 6);
}

TEST_F(RowRewrite, ChangesNoValueAndNoAnswerAndLeavesNoRowWide) {
  fill_before();
  const auto before = content();
  migrate();
  EXPECT_EQ(left(), "90") << "the migration itself touches no row";
  open();
  const auto answer = nearest(user(2));
  ASSERT_EQ(answer.size(), 24u);
  const auto done = rewrite();
  EXPECT_EQ(done.tenants, 3);
  EXPECT_EQ(done.rows, 90);
  EXPECT_EQ(left(), "0");
  EXPECT_EQ(content(), before);
  EXPECT_EQ(nearest(user(2)), answer);
  pack();
  EXPECT_GE(rows_a_page(), 6);
  EXPECT_EQ(pauses_.size(), 9u) << "one for each batch of ten";
  EXPECT_LE(*std::max_element(pauses_.begin(), pauses_.end()), 5);
  pauses_.clear();
  EXPECT_EQ(rewrite().rows, 0) << "nothing is done twice";
  EXPECT_THAT(pauses_, testing::IsEmpty()) << "reading alone wants no rest";
}

TEST_F(RowRewrite, GoesOnWhereAKilledProcessEnded) {
  fill_before();
  const auto before = content();
  migrate();
  EXPECT_EXIT(
      static_cast<void>(rewrite_rows(options(),
                                     [](const RewriteReport& report) {
                                       if (report.rows >= 40) std::raise(SIGKILL);
                                       return true;
                                     })),
      testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(left(), "50");
  // Its session may outlive it for a moment, and holds no row.
  EXPECT_EQ(rewrite().rows, 50);
  EXPECT_EQ(left(), "0");
  EXPECT_EQ(content(), before);
}

TEST_F(RowRewrite, LetsOthersReadWriteAndDelete) {
  fill_before();
  migrate();
  open();
  int batches = 0;
  const auto done = rewrite(options(), [&](const RewriteReport&) {
    store(user(2), "new-" + std::to_string(++batches), 2, 700);
    EXPECT_EQ(nearest(user(2)).size(), 24u);
    if (batches == 2)
      database_->super("DELETE FROM app.memory_chunks WHERE user_hash = '" +
                       user(3).hash().to_hex() + "' AND chunk_index < 10");
    return true;
  });
  EXPECT_GE(batches, 7);
  EXPECT_EQ(done.rows, 80);
  EXPECT_EQ(left(), "0");
}

// While batches run, another thread seals rows again and deletes some, and does the same to a copy.
TEST_F(RowRewrite, KeepsWhatOthersWriteAtTheSameTime) {
  fill_before();
  migrate();
  database_->super("CREATE TABLE public.copy AS SELECT id, chunk_index, text_cipher "
                   "FROM app.memory_chunks");
  std::atomic<int> changes = 0;
  std::atomic<bool> over = false;
  std::thread other([&] {
    pqxx::connection session(database_->super_dsn());
    for (int round = 0; !over; ++round, ++changes) {
      const auto change = [&](const std::string& table) {
        return (round % 9 == 8 ? "DELETE FROM " + table
                               : "UPDATE " + table + " SET text_cipher = text_cipher || '\\x07'") +
               " WHERE chunk_index = " + std::to_string(round * 7 % 30);
      };
      pqxx::work tx(session);
      tx.exec(change("app.memory_chunks"));
      tx.exec(change("public.copy"));
      tx.commit();
    }
  });
  auto slowly = options();
  slowly.batch_rows = 5;
  slowly.pause = [&, seen = 0](auto) mutable {
    while (changes < seen + 2) std::this_thread::yield();
    seen = changes;
  };
  rewrite(slowly);
  over = true;
  other.join();
  rewrite();
  EXPECT_EQ(left(), "0");
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.memory_chunks m FULL JOIN public.copy c "
                             "USING (id) WHERE m.text_cipher IS DISTINCT FROM c.text_cipher"),
            "0");
  EXPECT_GE(changes, 20);
  database_->super("DROP TABLE public.copy");
}

TEST_F(RowRewrite, TriesARowThatSomebodyHoldsOnceMoreAndLeavesItForTheNextRun) {
  fill_before();
  migrate();
  pqxx::connection session(database_->super_dsn());
  auto holder = std::make_unique<pqxx::work>(session);
  holder->exec("SELECT FROM app.memory_chunks WHERE chunk_index = 3 FOR UPDATE");
  const auto done = rewrite();
  EXPECT_EQ(done.rows, 87);
  EXPECT_EQ(done.skipped, 3);
  EXPECT_EQ(left(), "3");
  const auto last = rewrite(options(), [&](const RewriteReport&) {
    holder.reset();  // after the first look at the first user's rows
    return true;
  });
  EXPECT_EQ(last.rows, 3);
  EXPECT_EQ(last.skipped, 0);
}

TEST_F(RowRewrite, WaitsForALockOnTheTableAndGoesOnWithTheNextUser) {
  fill_before();
  migrate();
  pqxx::connection session(database_->super_dsn());
  auto holder = std::make_unique<pqxx::work>(session);
  holder->exec("LOCK TABLE app.memory_chunks IN ACCESS EXCLUSIVE MODE");
  auto impatient = options();
  impatient.writer_dsn += " options='-c lock_timeout=5'";
  const auto none = rewrite(impatient);
  EXPECT_EQ(none.rows, 0);
  EXPECT_EQ(none.unfinished.size(), 3u);
  EXPECT_EQ(pauses_.size(), 12u) << "four between five tries, for each user";
  impatient.rest = 0;
  impatient.pause = [&, waits = 0](auto) mutable {
    if (++waits == 6) holder.reset();  // the first user's five tries are over, another's are not
  };
  const auto most = rewrite(impatient);
  EXPECT_EQ(most.rows, 60);
  EXPECT_EQ(most.unfinished.size(), 1u);
  EXPECT_EQ(rewrite().rows, 30);
  EXPECT_EQ(left(), "0");
}

// Where most users have few rows, the planner takes any index on the user for as good as the one
// that finds the rows of a batch; for a user of many rows each batch would then read them all.
TEST_F(RowRewrite, NoBatchReadsAllRowsOfAUser) {
  migrate();
  database_->super(
      "INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, chunk_index, "
      "char_start, char_end, model) SELECT gen_random_uuid(), "
      "encode(sha256((n / 10)::text::bytea), 'hex'), 'd' || n % 5, 'api', "
      "decode(repeat('00', 40), 'hex'), n, 0, 1, 'm' FROM generate_series(1, 5000) n");
  database_->super("ANALYZE app.memory_chunks");
  pqxx::connection session(database_->app_dsn());
  pqxx::nontransaction tx(session);
  tx.exec("SET app.user_hash = '" + user(1).hash().to_hex() + "'");
  int seen = 0;
  for (const auto& statement : postgres::shipped_statements()) {
    const std::string name = statement.name, sql(statement.sql);
    if (!name.starts_with("rewrite_") && name != "reseal_put_texts") continue;
    std::string nulls = "NULL";
    for (int count = 2; sql.find("$" + std::to_string(count)) != sql.npos; ++count)
      nulls += ", NULL";
    tx.exec("PREPARE p_" + name + " AS " + sql);
    std::string plan;
    for (const auto& row : tx.exec("EXPLAIN (COSTS OFF) EXECUTE p_" + name + "(" + nulls + ")"))
      plan += std::string(row[0].c_str()) + "\n";
    EXPECT_THAT(plan, testing::Not(testing::HasSubstr("memory_chunks_by_user"))) << name;
    ++seen;
  }
  EXPECT_EQ(seen, 5);
}

TEST_F(RowRewrite, BelongsToTheMigrationThatNamesIt) {
  fill_before();
  const auto refused = rewrite_rows(options(), no_end);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_migrated);
  EXPECT_TRUE(postgres::migrate_plan(database_->options())->notes.empty()) << "no row is known of";
  database_->super("ANALYZE app.memory_chunks");
  const auto plan = postgres::migrate_plan(database_->options()).value();
  EXPECT_TRUE(plan.done.at(0).online);
  for (const auto& report : {plan, postgres::migrate_up(database_->options()).value()})
    EXPECT_THAT(report.notes, testing::Contains(testing::HasSubstr(
                                  "about 90 chunks keep the layout of before 0011: run "
                                  "`memseal migrate rewrite`")));

  // No text may stand where the filler stands.
  pqxx::connection session(database_->app_dsn());
  pqxx::work tx(session);
  const auto hash = user(1).hash().to_hex();
  tx.exec("SELECT set_config('app.user_hash', '" + hash + "', true)");
  EXPECT_THROW(tx.exec("UPDATE app.memory_chunks SET filler = 'a text' WHERE user_hash = '" + hash +
                       "'"),
               pqxx::check_violation);
}

std::string migration_text(const std::string& end) {
  std::ifstream file(std::string(migrations_dir()) + "/0011_row_layout" + end);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Nobody reads the chunks while their table is locked, so nothing may take long from there on.
TEST_F(RowRewrite, ItsMigrationWaitsForNothingWhileChunksAreLocked) {
  for (const auto* end : {".up.sql", ".down.sql"}) {
    bool locked = false;
    for (const auto& sql : postgres::split_statements(migration_text(end))) {
      const auto effect = postgres::effect_of(sql);
      for (const auto& table : effect.tables) {
        if (table == "app.memory_chunks") locked = true;
        EXPECT_TRUE(!locked || table.starts_with("app.memory_chunks")) << sql;
        EXPECT_TRUE(locked || effect.lock == "SHARE UPDATE EXCLUSIVE") << sql;
        EXPECT_EQ(effect.work, postgres::Work::brief) << sql;
      }
    }
    EXPECT_TRUE(locked) << end;
  }
}

TEST_F(RowRewrite, ItsCheckFindsWhatIsMissing) {
  migrate();
  pqxx::connection session(database_->super_dsn());
  const auto check = migration_text(".check.sql");
  for (const auto* fault : {"ALTER COLUMN filler SET STORAGE EXTENDED",
                            "DROP CONSTRAINT memory_chunks_filler",
                            "ALTER COLUMN filler DROP DEFAULT"}) {
    pqxx::work tx(session);
    EXPECT_TRUE(tx.exec(check).empty());
    tx.exec(std::string("ALTER TABLE app.memory_chunks ") + fault);
    EXPECT_EQ(tx.exec(check).size(), 1) << fault;
  }
}

TEST_F(RowRewrite, LongVectorsNeedNone) {
  fill_before();
  const auto dimension_is = [&](std::size_t now) {
    const auto number = std::to_string(now);
    database_->super("UPDATE app.memory_chunks SET embedding = NULL; ALTER TABLE app.memory_chunks "
                     "ALTER embedding TYPE halfvec(" + number + "); UPDATE app.settings SET value "
                     "= '" + number + "' WHERE key = 'dimension'; ANALYZE app.memory_chunks");
  };
  dimension_is(postgres::rewrite_dimensions_end);
  auto long_ones = database_->options();
  long_ones.dimension = postgres::rewrite_dimensions_end;
  EXPECT_THAT(postgres::migrate_up(long_ones).value().notes,
              testing::Not(testing::Contains(testing::HasSubstr("migrate rewrite"))));
  EXPECT_EQ(rewrite().tenants, 0);
  dimension_is(dimension);
  EXPECT_EQ(rewrite().rows, 90);
}

}  // namespace
}  // namespace memseal::test

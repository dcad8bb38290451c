// How rows lie in the table (migration 0011), and how those of before come to lie so.
#include "adapters/postgres/row_rewrite.hpp"

#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "support/pg.hpp"

#include <gmock/gmock.h>

#include <csignal>

namespace memseal::test {
namespace {

using postgres::RewriteReport;

constexpr std::size_t dimension = 384;
constexpr int wide_version = 10;

/// A database that is at the version before, with rows of three users.
class RowRewrite : public PgTest {
 protected:
  void SetUp() override {
    PgTest::SetUp();
    if (IsSkipped()) return;
    database_ = std::make_unique<TestDatabase>(dimension);
    migrate(wide_version);
  }
  void TearDown() override {
    close();
    database_.reset();
  }

  void migrate(std::optional<int> to = {}) {
    auto options = database_->options();
    options.to = to;
    const auto report = postgres::migrate_up(options);
    ASSERT_TRUE(report) << report.error().message;
  }
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
    for (int number = 1; number <= 3; ++number) store(user(number), "doc", 60, 700);
    close();
  }

  auto options() {
    return postgres::RewriteOptions{.reader_dsn = database_->super_dsn(),
                                    .writer_dsn = database_->app_dsn(),
                                    .batch_rows = 25,
                                    .rest = 0};
  }
  RewriteReport rewrite() {
    const auto done = rewrite_rows(options(), [](const RewriteReport&) { return true; });
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : RewriteReport{};
  }
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

  std::unique_ptr<TestDatabase> database_;
  runtime::Metrics metrics_;
  postgres::PostgresMetrics counts_{metrics_};
  std::unique_ptr<postgres::Pool> pool_;
};

TEST_F(RowRewrite, ARowIsNarrowWhateverTheLengthOfItsText) {
  open();
  store(user(1), "before", 70, 700);
  EXPECT_LT(rows_a_page(), 5) << "text and vector lie together";
  database_->super("TRUNCATE app.memory_chunks CASCADE");
  migrate();
  const std::size_t lengths[] = {1, 300, 700, 900, 1'000, 3'000};
  const auto doc_of = [](std::size_t bytes) { return "of-" + std::to_string(bytes); };
  for (const auto bytes : lengths) store(user(2), doc_of(bytes), 70, bytes);
  pack();
  for (const auto bytes : lengths)
    EXPECT_GE(rows_a_page("doc_id = '" + doc_of(bytes) + "'"), 6) << bytes;
}

TEST_F(RowRewrite, ChangesNoValueAndNoAnswerAndLeavesNoRowWide) {
  fill_before();
  const auto before = content();
  migrate();
  EXPECT_EQ(left(), "180") << "the migration itself touches no row";
  open();
  const auto answer = nearest(user(2));
  ASSERT_EQ(answer.size(), 24u);
  const auto done = rewrite();
  EXPECT_EQ(done.tenants, 3);
  EXPECT_EQ(done.rows, 180);
  EXPECT_EQ(done.skipped, 0);
  EXPECT_EQ(left(), "0");
  EXPECT_EQ(content(), before);
  EXPECT_EQ(nearest(user(2)), answer);
  pack();
  EXPECT_GE(rows_a_page(), 6);
  EXPECT_EQ(rewrite().rows, 0) << "nothing is done twice";
}

TEST_F(RowRewrite, GoesOnWhereAKilledProcessEnded) {
  fill_before();
  const auto before = content();
  migrate();
  EXPECT_EXIT(
      static_cast<void>(rewrite_rows(options(),
                                     [](const RewriteReport& report) {
                                       if (report.rows >= 75) std::raise(SIGKILL);
                                       return true;
                                     })),
      testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(left(), "95");
  // Its session may outlive it for a moment, and holds no row.
  EXPECT_EQ(rewrite().rows, 95);
  EXPECT_EQ(left(), "0");
  EXPECT_EQ(content(), before);
}

// What others do meanwhile is between two batches, because each is a transaction.
TEST_F(RowRewrite, LetsOthersReadWriteAndDelete) {
  fill_before();
  migrate();
  open();
  int batches = 0;
  const auto done = rewrite_rows(options(), [&](const RewriteReport&) {
    const auto number = std::to_string(++batches);
    store(user(2), "new-" + number, 5, 700);
    EXPECT_EQ(nearest(user(2)).size(), 24u);
    if (batches == 2)
      database_->super("DELETE FROM app.memory_chunks WHERE user_hash = '" +
                       user(3).hash().to_hex() + "' AND chunk_index < 10");
    return true;
  });
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_GE(batches, 7);
  EXPECT_EQ(done->rows, 170);
  EXPECT_EQ(left(), "0");
}

TEST_F(RowRewrite, LeavesARowThatSomebodyHoldsForTheNextRun) {
  fill_before();
  migrate();
  {
    pqxx::connection session(database_->super_dsn());
    pqxx::work holder(session);
    holder.exec("SELECT FROM app.memory_chunks WHERE chunk_index = 3 FOR UPDATE");
    const auto done = rewrite();
    EXPECT_EQ(done.rows, 177);
    EXPECT_EQ(done.skipped, 3);
  }
  EXPECT_EQ(left(), "3");
  EXPECT_EQ(rewrite().rows, 3);
}

TEST_F(RowRewrite, BelongsToTheMigrationThatNamesIt) {
  fill_before();
  const auto refused = rewrite_rows(options(), [](const RewriteReport&) { return true; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_migrated);
  EXPECT_TRUE(postgres::migrate_plan(database_->options())->notes.empty()) << "no row is known of";
  database_->super("ANALYZE app.memory_chunks");
  const auto plan = postgres::migrate_plan(database_->options());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->done.at(0).online);
  for (const auto& report : {*plan, postgres::migrate_up(database_->options()).value()})
    EXPECT_THAT(report.notes, testing::Contains(testing::HasSubstr(
                                  "about 180 chunks keep the layout of before 0011: run "
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

}  // namespace
}  // namespace memseal::test

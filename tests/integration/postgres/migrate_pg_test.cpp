#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/catalog.hpp"

#include "support/pg.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>

namespace memseal::test {
namespace {

namespace fs = std::filesystem;
using postgres::KeyCheck;

/// Schema of a database as pg_dump writes it, without its random fence lines.
std::string dump(const TestDatabase& database) {
  const char* bin = std::getenv("MEMSEAL_TEST_PG_BIN");
  const std::string program = bin ? std::string(bin) + "/pg_dump" : "pg_dump";
  const std::string command = program + " --schema-only --dbname=\"" + database.super_dsn() + "\"";
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> line;
  while (pipe && std::fgets(line.data(), line.size(), pipe)) {
    const std::string_view read(line.data());
    if (!read.starts_with("\\restrict") && !read.starts_with("\\unrestrict")) text += read;
  }
  EXPECT_TRUE(pipe && ::pclose(pipe) == 0) << command;
  return text;
}

class Migrate : public PgTest {
 protected:
  void SetUp() override {
    PgTest::SetUp();
    if (!IsSkipped()) database_ = std::make_unique<TestDatabase>(24);
  }

  void up() {
    const auto report = postgres::migrate_up(database_->options());
    ASSERT_TRUE(report) << report.error().message;
  }
  /// What reverts everything, whatever is lost.
  static postgres::MigrateOptions all_the_way(postgres::MigrateOptions options) {
    options.to = 0;
    options.lose_data = true;
    return options;
  }
  void down() {
    const auto report = postgres::migrate_down(all_the_way(database_->options()));
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->version, 0);
  }
  /// A directory with the shipped migrations and others beside them.
  fs::path directory_with(const std::string& name, const std::string& up,
                          const std::string& down = "SELECT 1") {
    const auto directory = fs::temp_directory_path() / database_->name();
    fs::remove_all(directory);
    fs::copy(migrations_dir(), directory);
    std::ofstream(directory / (name + ".up.sql")) << up;
    std::ofstream(directory / (name + ".down.sql")) << down;
    return directory;
  }
  /// How many migrations are shipped.
  static int shipped() {
    int count = 0;
    for (const auto& file : fs::directory_iterator(migrations_dir()))
      count += file.path().string().ends_with(".up.sql");
    return count;
  }
  /// "0003_more": a name for the migration behind those that are shipped.
  static std::string next(const std::string& name) {
    const auto number = std::to_string(shipped() + 1);
    return std::string(4 - number.size(), '0') + number + "_" + name;
  }
  std::string recorded_version() {
    return database_->super("SELECT value FROM app.settings WHERE key = 'schema_version'");
  }
  void TearDown() override {
    if (database_) fs::remove_all(fs::temp_directory_path() / database_->name());
  }

  std::unique_ptr<TestDatabase> database_;
};

// The administrator of a managed PostgreSQL: may make roles, owns a database, is no superuser.
TEST_F(Migrate, WorksForAnAdministratorWhoIsNoSuperuser) {
  const auto admin = database_->name() + "_admin";
  database_->super("CREATE ROLE " + admin + " LOGIN CREATEROLE PASSWORD '" + super_password() +
                   "'");
  database_->super("ALTER DATABASE " + database_->name() + " OWNER TO " + admin);
  database_->super("CREATE EXTENSION vector");  // whose old versions only a superuser may make
  auto options = database_->options();
  options.dsn = dsn_with({{"dbname", database_->name()}, {"user", admin}});
  const auto first = postgres::migrate_up(options);
  EXPECT_TRUE(first) << first.error().message;
  const auto again = postgres::migrate_up(options);
  EXPECT_TRUE(again) << again.error().message;
  const auto back = postgres::migrate_down(all_the_way(options));
  EXPECT_TRUE(back) << back.error().message;

  // Without the right to make and to grant roles the refusal names the statement that is missing.
  // `down` has dropped the role unless another database of the cluster uses it.
  database_->super("DO $$ BEGIN IF to_regrole('memory_owner') IS NOT NULL THEN "
                   "REVOKE memory_owner FROM " + admin + "; END IF; END $$");
  database_->super("ALTER ROLE " + admin + " NOCREATEROLE");
  const auto refused = postgres::migrate_up(options);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("GRANT memory_owner TO " + admin), std::string::npos)
      << refused.error().message;
  database_->super("REASSIGN OWNED BY " + admin + " TO CURRENT_USER");
  database_->super("DROP OWNED BY " + admin);
  database_->super("DROP ROLE " + admin);
}

TEST_F(Migrate, UpDownUpGivesTheSameSchemaByteForByte) {
  up();
  const auto first = dump(*database_);
  EXPECT_NE(first.find("halfvec(24)"), std::string::npos);
  down();
  const auto empty = dump(*database_);
  EXPECT_EQ(empty.find("app.memory_chunks"), std::string::npos);
  up();
  EXPECT_EQ(dump(*database_), first);
  down();
  EXPECT_EQ(dump(*database_), empty);
}

TEST_F(Migrate, ChunksHaveExactlyTheseColumns) {
  up();
  EXPECT_EQ(database_->super("SELECT string_agg(column_name || ' ' || data_type, ', ' "
                             "ORDER BY ordinal_position) FROM information_schema.columns "
                             "WHERE table_schema = 'app' AND table_name = 'memory_chunks'"),
            "id uuid, user_hash character varying, doc_id character varying, "
            "source character varying, text_plain text, text_cipher bytea, meta_cipher bytea, "
            "embedding USER-DEFINED, chunk_index integer, char_start integer, "
            "char_end integer, created_at timestamp with time zone, "
            "updated_at timestamp with time zone, expires_at timestamp with time zone, "
            "tags ARRAY, model character varying, embed_mac uuid, filler text");
}

TEST_F(Migrate, SecondUpDoesNothing) {
  up();
  const auto again = postgres::migrate_up(database_->options());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->done.empty());
  EXPECT_GE(again->version, 1);
}

TEST_F(Migrate, TwoDatabasesOfOneClusterComeAndGoIndependently) {
  TestDatabase other(24);
  up();
  ASSERT_TRUE(postgres::migrate_up(other.options()));
  down();
  EXPECT_EQ(other.super("SELECT count(*) FROM pg_roles WHERE rolname = 'app_user'"), "1");
  EXPECT_EQ(other.super("SELECT has_table_privilege('app_user', 'app.memory_chunks', 'SELECT')"),
            "t");
  up();
  ASSERT_TRUE(postgres::migrate_down(all_the_way(other.options())));
  const auto lint = postgres::lint(database_->super_dsn());
  ASSERT_TRUE(lint) << lint.error().message;
  EXPECT_TRUE(lint->empty());
}

TEST_F(Migrate, TwoDatabasesOfOneClusterMayStartAtOnce) {
  TestDatabase other(24);
  auto first = std::async(std::launch::async,
                          [&] { return postgres::migrate_up(database_->options()); });
  const auto second = postgres::migrate_up(other.options());
  const auto& one = first.get();
  EXPECT_TRUE(one) << one.error().message;
  EXPECT_TRUE(second) << second.error().message;
}

TEST_F(Migrate, OneRunWaitsForAnotherAndThenFindsNothingToDo) {
  auto first = std::async(std::launch::async,
                          [&] { return postgres::migrate_up(database_->options()); });
  const auto second = postgres::migrate_up(database_->options());
  const auto& one = first.get();
  ASSERT_TRUE(one) << one.error().message;
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(one->done.size() + second->done.size(), static_cast<std::size_t>(shipped()));
}

TEST_F(Migrate, GivesUpWhenTheLockIsHeld) {
  pqxx::connection session(database_->super_dsn());
  pqxx::nontransaction tx(session);
  tx.exec("SELECT pg_advisory_lock(30802512171852140)");
  const auto report = postgres::migrate_up(database_->options());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::unavailable);
  EXPECT_NE(report.error().message.find("another"), std::string::npos);
}

TEST_F(Migrate, PlanAndStatusTellWithoutChangingAnything) {
  const auto plan = postgres::migrate_plan(database_->options());
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_FALSE(plan->done.empty());
  EXPECT_EQ(plan->done[0].name, "0001_init");
  EXPECT_EQ(database_->super("SELECT to_regnamespace('app') IS NULL"), "t");
  up();
  const auto status = postgres::migrate_status(database_->options());
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_TRUE((*status)[0].applied);
  EXPECT_FALSE((*status)[0].changed);
  EXPECT_EQ((*status)[0].applied_at.size(), 20u);
}

TEST_F(Migrate, RefusesAFileThatChangedAfterItWasApplied) {
  auto options = database_->options();
  options.directory = directory_with(next("more"), "SELECT 1");
  ASSERT_TRUE(postgres::migrate_up(options));
  directory_with(next("more"), "SELECT 2");
  const auto report = postgres::migrate_up(options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::bad_config);
  EXPECT_NE(report.error().message.find(next("more") + ".up.sql has changed"), std::string::npos);
  const auto status = postgres::migrate_status(options);
  ASSERT_TRUE(status);
  EXPECT_TRUE(status->back().changed);
}

TEST_F(Migrate, RefusesADatabaseThatIsNewerThanItsFiles) {
  auto options = database_->options();
  options.directory = directory_with(next("more"), "SELECT 1");
  ASSERT_TRUE(postgres::migrate_up(options));
  const auto report = postgres::migrate_up(database_->options());
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("use a newer memseal"), std::string::npos);
}

TEST_F(Migrate, StopsAtTheVersionItIsTold) {
  auto options = database_->options();
  options.directory = directory_with(next("more"), "CREATE TABLE app.more (n int)",
                                     "DROP TABLE app.more");
  const int last = shipped();
  options.to = last;
  ASSERT_EQ(postgres::migrate_up(options)->version, last);
  options.to = last + 1;
  ASSERT_EQ(postgres::migrate_up(options)->version, last + 1);
  EXPECT_EQ(recorded_version(), std::to_string(last + 1));
  options.to = last;
  ASSERT_EQ(postgres::migrate_down(options)->version, last);
  EXPECT_EQ(recorded_version(), std::to_string(last));
  options.to = last + 2;
  EXPECT_EQ(postgres::migrate_up(options).error().code, Errc::bad_config);
}

TEST_F(Migrate, KeepsNothingOfAMigrationThatFails) {
  auto options = database_->options();
  options.directory = directory_with(next("more"), "CREATE TABLE app.more (n int); SELECT 1 / 0");
  const auto report = postgres::migrate_up(options);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find(next("more") + ".up.sql"), std::string::npos);
  EXPECT_NE(report.error().message.find("22012"), std::string::npos);
  EXPECT_EQ(database_->super("SELECT to_regclass('app.more') IS NULL"), "t");
  EXPECT_EQ(recorded_version(), std::to_string(shipped()));
}

TEST_F(Migrate, RollsBackAMigrationThatTheLintCondemns) {
  auto options = database_->options();
  options.directory = directory_with(
      next("leak"), "CREATE TABLE app.leak (user_hash varchar(64), n int); "
                   "GRANT SELECT ON app.leak TO app_user");
  const auto report = postgres::migrate_up(options);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("rls_not_forced (app.leak)"), std::string::npos)
      << report.error().message;
  EXPECT_EQ(database_->super("SELECT to_regclass('app.leak') IS NULL"), "t");
}

TEST_F(Migrate, LeavesWhatOthersPutIntoTheSchemaAlone) {
  up();
  database_->super("CREATE TABLE app.theirs (n int)");
  const auto report = postgres::migrate_down(all_the_way(database_->options()));
  ASSERT_FALSE(report);
  EXPECT_EQ(database_->super("SELECT to_regclass('app.memory_chunks') IS NOT NULL"), "t");
}

TEST_F(Migrate, DownTakesBackTheNewestAloneAndLosesNothingUnasked) {
  auto options = database_->options();
  options.directory = directory_with(next("more"), "CREATE TABLE app.more (n int)",
                                     "DROP TABLE app.more");
  ASSERT_TRUE(postgres::migrate_up(options));
  const auto empty = postgres::migrate_down(options);
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_EQ(empty->version, shipped()) << "nothing is in it, so nobody has to agree";
  ASSERT_TRUE(postgres::migrate_up(options));
  database_->super("INSERT INTO app.more VALUES (1), (2)");

  const auto refused = postgres::migrate_down(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_request);
  EXPECT_NE(refused.error().message.find("2 rows of app.more"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(database_->super("SELECT count(*) FROM app.more"), "2");

  options.lose_data = true;
  const auto forced = postgres::migrate_down(options);
  ASSERT_TRUE(forced) << forced.error().message;
  EXPECT_EQ(forced->version, shipped());
  ASSERT_EQ(forced->lost.size(), 1u);
  EXPECT_EQ(forced->lost[0].count, 2);
  EXPECT_GT(forced->done.at(0).seconds, 0);
}

TEST_F(Migrate, PlanShowsStatementsLocksAndWhetherTheServiceMayGoOn) {
  auto options = database_->options();
  options.to = 2;
  ASSERT_TRUE(postgres::migrate_up(options));
  database_->super("INSERT INTO app.settings SELECT 'k' || n, '' FROM generate_series(1, 9000) n");
  database_->super("ANALYZE app.settings");
  options.to.reset();
  options.directory = directory_with(
      next("more"), "ALTER TABLE app.settings ADD COLUMN n int; -- a; comment\n"
                    "CREATE INDEX settings_n ON app.settings (n)");
  const auto plan = postgres::migrate_plan(options);
  ASSERT_TRUE(plan) << plan.error().message;
  const auto& third = plan->done.at(0);
  EXPECT_EQ(third.name, "0003_life_of_data");
  EXPECT_FALSE(third.online) << "an index is built under a lock";
  const auto& more = plan->done.back();
  ASSERT_EQ(more.statements.size(), 2u);
  EXPECT_EQ(more.statements[0].lock, "ACCESS EXCLUSIVE");
  EXPECT_EQ(more.statements[0].tables, "app.settings");
  EXPECT_FALSE(more.statements[0].stops_others) << "the catalog alone changes";
  EXPECT_EQ(more.statements[1].lock, "SHARE");
  EXPECT_TRUE(more.statements[1].stops_others);
  EXPECT_GT(more.statements[1].seconds, 0.03);
  EXPECT_FALSE(more.online);
}

// The plan reads the text; the server says what it was.
TEST_F(Migrate, PlanNamesTheLocksThatTheServerTakes) {
  auto options = database_->options();
  options.to = 1;
  ASSERT_TRUE(postgres::migrate_up(options));
  for (int version = 2; version <= shipped(); ++version) {
    options.to = version;
    const auto plan = postgres::migrate_plan(options);
    ASSERT_TRUE(plan) << plan.error().message;
    std::set<std::string> told, taken;
    for (const auto& one : plan->done.at(0).statements)
      if (!one.lock.empty() && one.tables.find("_by_") == std::string::npos)
        told.insert(one.tables + (one.lock == "SHARE UPDATE EXCLUSIVE" ? " mildly" : ""));
    pqxx::connection session(database_->super_dsn());
    pqxx::work tx(session);
    tx.exec("CREATE TEMP TABLE before ON COMMIT DROP AS SELECT oid FROM pg_class");
    for (const auto& one : plan->done.at(0).statements) tx.exec(one.sql);
    for (const auto& row : tx.exec(
             "SELECT DISTINCT l.relation::regclass::text || CASE l.mode "
             "WHEN 'ShareUpdateExclusiveLock' THEN ' mildly' ELSE '' END "
             "FROM pg_locks l JOIN before b "
             "ON b.oid = l.relation JOIN pg_class c ON c.oid = l.relation "
             "WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND l.mode IN "
             "('AccessExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', "
             "'ShareUpdateExclusiveLock') "
             "AND c.relnamespace = to_regnamespace('app')"))
      taken.insert(row[0].c_str());
    tx.abort();
    EXPECT_EQ(told, taken) << plan->done.at(0).name;
    ASSERT_TRUE(postgres::migrate_up(options));
  }
}

TEST_F(Migrate, AVersionThatDoesNotPassItsCheckIsRolledBack) {
  auto options = database_->options();
  options.directory = directory_with(next("more"), "CREATE TABLE app.more (n int)",
                                     "DROP TABLE app.more");
  std::ofstream(options.directory / (next("more") + ".check.sql"))
      << "SELECT 'app.more is empty' WHERE NOT EXISTS (SELECT FROM app.more)";
  const auto report = postgres::migrate_up(options);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("app.more is empty"), std::string::npos)
      << report.error().message;
  EXPECT_EQ(database_->super("SELECT to_regclass('app.more') IS NULL"), "t");
}

TEST_F(Migrate, SaysSoWhenThereIsNoDatabase) {
  auto options = database_->options();
  options.dsn = dsn_with({{"dbname", "memseal_absent"}});
  EXPECT_EQ(postgres::migrate_up(options).error().code, Errc::unavailable);
  EXPECT_EQ(postgres::check_schema(options.dsn, {}).error().code, Errc::unavailable);
}

class Facts : public Migrate {
 protected:
  postgres::MigrateOptions deployed(std::uint8_t key = 7) {
    auto options = database_->options();
    options.model = "all-MiniLM-L6-v2";
    options.key_check = KeyCheck{key};
    return options;
  }
  std::optional<Errc> check(postgres::DeploymentFingerprint facts) {
    runtime::Metrics metrics;
    postgres::PostgresMetrics counts(metrics);
    postgres::PoolOptions options;
    options.dsn = database_->app_dsn();
    options.connections = 1;
    postgres::Pool pool(std::move(options), counts);
    const auto by_dsn = postgres::check_schema(database_->app_dsn(), facts);
    const auto by_pool = await(postgres::check_schema(pool, {}, facts));
    EXPECT_EQ(by_pool.has_error(), by_dsn.has_error());
    if (!by_pool && !by_dsn) {
      EXPECT_EQ(by_pool.error().code, by_dsn.error().code) << by_dsn.error().message;
    }
    return by_pool ? std::nullopt : std::optional(by_pool.error().code);
  }
};

TEST_F(Facts, AreRecordedByTheFirstUpAndComparedEverAfter) {
  ASSERT_TRUE(postgres::migrate_up(deployed()));
  EXPECT_EQ(check({24, "all-MiniLM-L6-v2", KeyCheck{7}}), std::nullopt);
  EXPECT_EQ(check({24, "", {}}), std::nullopt);
  EXPECT_EQ(check({384, "all-MiniLM-L6-v2", KeyCheck{7}}), Errc::dimension_mismatch);
  EXPECT_EQ(check({24, "another", KeyCheck{7}}), Errc::dimension_mismatch);
  EXPECT_EQ(check({24, "all-MiniLM-L6-v2", KeyCheck{8}}), Errc::key_invalid);
}

TEST_F(Facts, StopAnUpThatBringsOthers) {
  ASSERT_TRUE(postgres::migrate_up(deployed()));
  EXPECT_EQ(postgres::migrate_up(deployed(9)).error().code, Errc::key_invalid);
  auto wide = deployed();
  wide.dimension = 768;
  EXPECT_EQ(postgres::migrate_up(wide).error().code, Errc::dimension_mismatch);
}

TEST_F(Facts, MayBeRecordedLater) {
  up();
  EXPECT_EQ(check({24, "x", KeyCheck{1}}), std::nullopt);
  ASSERT_TRUE(postgres::migrate_up(deployed()));
  EXPECT_EQ(check({24, "all-MiniLM-L6-v2", KeyCheck{1}}), Errc::key_invalid);
}

TEST_F(Facts, AreMissedBeforeTheFirstUpAndAfterTheLastDown) {
  TestDatabase keeps_the_roles(24);
  ASSERT_TRUE(postgres::migrate_up(keeps_the_roles.options()));
  EXPECT_EQ(check({24, "", {}}), Errc::not_migrated);
  up();
  EXPECT_EQ(check({24, "", {}}), std::nullopt);
  down();
  EXPECT_EQ(check({24, "", {}}), Errc::not_migrated);
}

}  // namespace
}  // namespace memseal::test

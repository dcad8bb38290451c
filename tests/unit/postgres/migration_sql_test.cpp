// What `migrate plan` and `migrate down` tell from the text of a migration.
#include "adapters/postgres/internal/migration_sql.hpp"

#include <gtest/gtest.h>

namespace memseal::postgres {
namespace {

TEST(MigrationSql, SplitsWhereAStatementEndsAndNowhereElse) {
  const auto found = split_statements(
      "-- one; comment\nSELECT 'a;b', \"c;d\"; /* two; */ DO $x$ BEGIN; $y$; END $x$;\n\n"
      "SELECT\n  $1,   a$b$c ;");
  const std::vector<std::string> wanted{"SELECT 'a;b', \"c;d\"", "DO $x$ BEGIN; $y$; END $x$",
                                        "SELECT $1, a$b$c"};
  EXPECT_EQ(found, wanted);
}

struct Case {
  const char *sql, *lock, *table;
  Work work;
  bool stops;
};

TEST(MigrationSql, KnowsLocksAndHowLongTheyAreHeld) {
  const Case cases[] = {
      {"ALTER TABLE app.t ADD COLUMN a int", "ACCESS EXCLUSIVE", "app.t", Work::brief, false},
      {"ALTER TABLE app.t ADD COLUMN a uuid DEFAULT gen_random_uuid()", "ACCESS EXCLUSIVE",
       "app.t", Work::rewrite, true},
      {"ALTER TABLE app.t ALTER COLUMN a TYPE bigint", "ACCESS EXCLUSIVE", "app.t", Work::rewrite,
       true},
      {"ALTER TABLE app.t ALTER COLUMN a SET NOT NULL", "ACCESS EXCLUSIVE", "app.t", Work::scan,
       true},
      {"ALTER TABLE app.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "ACCESS EXCLUSIVE", "app.t",
       Work::brief, false},
      {"ALTER TABLE app.t VALIDATE CONSTRAINT c", "SHARE UPDATE EXCLUSIVE", "app.t", Work::scan,
       false},
      {"ALTER TABLE app.t SET (fillfactor = 80)", "SHARE UPDATE EXCLUSIVE", "app.t", Work::brief,
       false},
      {"ALTER TABLE app.t RESET (fillfactor)", "SHARE UPDATE EXCLUSIVE", "app.t", Work::brief,
       false},
      {"ALTER TABLE app.t SET (fillfactor = 80), ADD COLUMN a int", "ACCESS EXCLUSIVE", "app.t",
       Work::brief, false},
      {"CREATE UNIQUE INDEX i ON app.t (a)", "SHARE", "app.t", Work::index, true},
      {"create index concurrently i on app.t (a)", "SHARE UPDATE EXCLUSIVE", "app.t", Work::index,
       false},
      {"DROP INDEX app.i", "ACCESS EXCLUSIVE", "app.i", Work::brief, false},
      {"CREATE POLICY p ON app.t FOR SELECT TO app_user USING (true)", "ACCESS EXCLUSIVE", "app.t",
       Work::brief, false},
      {"CREATE TABLE app.n (a int, FOREIGN KEY (a) REFERENCES app.t (a))", "SHARE ROW EXCLUSIVE",
       "app.t", Work::brief, false},
      {"CREATE TABLE app.n (a int)", "", "", Work::brief, false},
      {"UPDATE app.t SET a = 1", "ROW EXCLUSIVE", "app.t", Work::update, false},
      {"DO $$ BEGIN END $$", "", "", Work::unknown, true},
      {"GRANT SELECT ON app.t TO app_user", "", "", Work::brief, false}};
  for (const auto& [sql, lock, table, work, stops] : cases) {
    const auto effect = effect_of(sql);
    EXPECT_EQ(effect.lock, lock) << sql;
    EXPECT_EQ(effect.tables.empty() ? "" : effect.tables[0], table) << sql;
    EXPECT_EQ(effect.work, work) << sql;
    EXPECT_EQ(effect.stops_others(), stops) << sql;
  }
}

TEST(MigrationSql, NamesTheDataThatGoes) {
  const auto lost = losses_of(split_statements(
      "DROP TABLE app.a,\n  app.b; ALTER TABLE app.c DROP COLUMN d, DROP COLUMN IF EXISTS e;"
      "ALTER TABLE app.c ALTER COLUMN d DROP NOT NULL; ALTER TABLE app.c DROP CONSTRAINT f;"
      "DROP INDEX app.g; DELETE FROM app.h; TRUNCATE app.i"));
  std::string text;
  for (const auto& one : lost) text += one.table + "/" + one.column + " ";
  EXPECT_EQ(text, "app.a/ app.b/ app.c/d app.c/e app.h/ app.i/ ");
}

}  // namespace
}  // namespace memseal::postgres

// Random statements of app_user against rows of other tenants, judged by an oracle: whatever the
// session's state, no foreign row is seen, counted, locked, changed or made. The number of probes
// is MEMSEAL_ISOLATION_PROBES (20,000 unless set); its seed MEMSEAL_ISOLATION_SEED.
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/operations.hpp"
#include "support/pg.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace memseal::test {
namespace {

unsigned long number_from(const char* name, unsigned long otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoul(text, nullptr, 10) : otherwise;
}

/// How the session stands when the probe is made.
enum class State {
  fresh,             // app.user_hash was never set
  empty,             // set to ''
  malformed,         // set to what is no hash
  own,               // set to the prober's tenant
  reused,            // a transaction of the victim ended on this connection before
  rolled_back,       // the victim was set inside a savepoint that was rolled back
  own_after_victim,  // likewise, with the prober's own tenant set before
  row_security_off,  // own tenant, and row_security switched off
  count,
};

bool knows_a_tenant(State state) {
  return state == State::own || state == State::own_after_victim ||
         state == State::row_security_off;
}

/// What must come of a probe when a tenant is set; without one it is 42501 always.
enum class Expect { no_rows, own_count, nothing_changed, refused };

struct Verb {
  Expect expect;
  const char* sql;  // {t} table, {v} victim's hash, {o} own hash, {id} victim's row
};

// `id` stands for each table's second key column.
const Verb verbs[]{
    {Expect::no_rows, "SELECT {k} FROM app.{t} WHERE {k}::text = '{id}'"},
    {Expect::no_rows, "SELECT {k} FROM app.{t} WHERE user_hash = '{v}'"},
    {Expect::no_rows, "SELECT {k} FROM app.{t} WHERE user_hash = '{v}' FOR UPDATE"},
    {Expect::no_rows, "SELECT {k} FROM app.{t} WHERE user_hash <> '{o}'"},
    {Expect::no_rows, "SELECT a.{k} FROM app.{t} a JOIN app.{t} b ON a.user_hash = b.user_hash "
                      "WHERE b.{k}::text = '{id}'"},
    {Expect::no_rows, "WITH x AS MATERIALIZED (SELECT * FROM app.{t}) SELECT {k} FROM x "
                      "WHERE user_hash = '{v}'"},
    {Expect::no_rows, "SELECT {k} FROM app.{t} WHERE {k}::text = '{id}' OR 1 / (CASE WHEN "
                      "user_hash = '{v}' THEN 0 ELSE 1 END) = 0"},
    {Expect::no_rows, "DECLARE c CURSOR FOR SELECT {k} FROM app.{t} WHERE user_hash = '{v}'; "
                      "FETCH ALL FROM c"},
    {Expect::own_count, "SELECT count(*) FROM app.{t}"},
    {Expect::own_count, "SELECT count(*) FROM app.{t} WHERE true OR user_hash = '{v}'"},
    {Expect::own_count, "SELECT count(*) FROM (SELECT * FROM app.{t} UNION ALL "
                        "SELECT * FROM app.{t} WHERE user_hash = '{v}') u"},
    {Expect::nothing_changed, "UPDATE app.{t} SET {c} = {c} WHERE user_hash = '{v}'"},
    {Expect::nothing_changed, "UPDATE app.{t} SET {c} = {c} WHERE {k}::text = '{id}'"},
    {Expect::nothing_changed, "DELETE FROM app.{t} WHERE user_hash = '{v}'"},
    {Expect::nothing_changed, "DELETE FROM app.{t} WHERE {k}::text = '{id}'"},
    {Expect::nothing_changed, "DELETE FROM app.{t} a USING app.{t} b WHERE a.{k} = b.{k} "
                              "AND b.{k}::text = '{id}'"},
    {Expect::refused, "UPDATE app.{t} SET user_hash = '{v}'"},
    {Expect::refused, "INSERT INTO app.{t} ({all}) VALUES ('{v}', {values})"},
    {Expect::refused, "INSERT INTO app.{t} ({all}) VALUES ('{v}', {values}) "
                      "ON CONFLICT DO NOTHING"},
    {Expect::refused, "INSERT INTO app.{t} ({all}) VALUES ('{v}', {values}) "
                      "ON CONFLICT (user_hash, {k}) DO UPDATE SET {c} = excluded.{c}"},
    {Expect::refused, "TRUNCATE app.{t}"},
    {Expect::refused, "ALTER TABLE app.{t} DISABLE ROW LEVEL SECURITY"},
    {Expect::refused, "CREATE INDEX ON app.{t} (user_hash)"},
    {Expect::refused, "DROP POLICY tenant_select ON app.{t}"},
    {Expect::refused, "SET ROLE memory_owner"},
    {Expect::refused, "SELECT version FROM memseal.app_migrations"},
    {Expect::refused, "UPDATE app.settings SET value = value"},
    {Expect::refused, "CREATE FUNCTION app.tenant() RETURNS text LANGUAGE sql AS 'SELECT 1'"},
};

/// Second key column, a column that may be updated, all columns an insert needs, and their values
/// with {id} for the key.
struct Table {
  const char *name, *key, *column, *all, *values;
};

const Table tables[]{
    {"memory_chunks", "id", "tags",
     "user_hash, id, doc_id, source, text_cipher, chunk_index, char_start, char_end, model",
     "'{id}', 'd', 'api', decode(repeat('ab', 40), 'hex'), 0, 0, 1, 'm'"},
    {"documents", "doc_id", "state", "user_hash, doc_id, revision, kind", "'{id}', 1, 'api'"},
    {"ingest_events", "event_id", "state", "user_hash, event_id, kind, doc_id, state",
     "'{id}', 'api', 'd', 'queued'"},
    {"tenant_keys", "key_id", "state", "user_hash, key_id, kek_epoch, wrapped, kcv",
     "{id}, 1, '\\x00', decode(repeat('00', 16), 'hex')"},
    {"idempotency_keys", "key", "status", "user_hash, key, request_mac, status, expires_at",
     "'{id}', '\\x00', 1, now()"},
    {"files", "id", "object_id",
     "user_hash, id, object_id, name_mac, facts_cipher, bytes, content_mac",
     "'{id}', '{id}', '{id}', decode(repeat('ab', 40), 'hex'), 1, decode(repeat('00', 32), 'hex')"},
    {"file_stores", "name", "used", "user_hash, name, store",
     "'{id}', '00000000-0000-0000-0000-000000000000'"},
    {"term_blocks", "first_chunk", "cipher", "user_hash, first_chunk, doc_id, cipher",
     "'{id}', 'd', decode(repeat('ab', 40), 'hex')"},
};

std::string filled(std::string sql, const std::map<std::string, std::string>& values) {
  for (int pass = 0; pass < 2; ++pass) {  // values may name others
    for (const auto& [name, value] : values) {
      const std::string wanted = "{" + name + "}";
      for (auto at = sql.find(wanted); at != std::string::npos;
           at = sql.find(wanted, at + value.size())) {
        sql.replace(at, wanted.size(), value);
      }
    }
  }
  return sql;
}

class Isolation : public MigratedPgTest {
 protected:
  static constexpr int tenants = 7;

  void SetUp() override {
    MigratedPgTest::SetUp();
    if (IsSkipped()) return;
    random_.seed(seed_);
    if (!hashes_.empty()) return;
    for (int number = 0; number < tenants; ++number) plant(number);
  }

  /// Rows of one tenant in every table, made by the superuser; the oracle remembers them.
  static void plant(int number) {
    const auto hash = tenant("victim-" + std::to_string(number)).hash().to_hex();
    hashes_.push_back(hash);
    database_->super("INSERT INTO app.tenants (user_hash) VALUES ('" + hash + "')");
    for (std::size_t t = 0; t < std::size(tables); ++t) {
      const int rows = 1 + number % 3;
      for (int row = 0; row < rows; ++row) {
        std::string id = crypto::random_uuid().to_string();
        // Keys that are no random numbers collide between tenants on purpose.
        if (std::string_view(tables[t].name) == "tenant_keys") id = std::to_string(row + 1);
        if (std::string_view(tables[t].key) == "doc_id") id = "doc-" + std::to_string(row);
        // A block of terms goes with a chunk, and the chunks are planted first.
        if (std::string_view(tables[t].key) == "first_chunk") id = ids_[{number, 0}][row];
        database_->super(filled("INSERT INTO app.{t} ({all}) VALUES ('{v}', {values})",
                                {{"t", tables[t].name}, {"all", tables[t].all},
                                 {"values", tables[t].values}, {"v", hash}, {"id", id}}));
        ids_[{number, t}].push_back(id);
      }
    }
  }

  /// A digest of every row of every table, as the superuser sees them.
  static std::string digest() {
    std::string all;
    for (const auto& table : tables) {
      all += database_->super(filled("SELECT md5(string_agg(x::text, ';' ORDER BY x::text)) "
                                     "FROM app.{t} x", {{"t", table.name}}));
    }
    return all + database_->super("SELECT md5(string_agg(x::text, ';' ORDER BY x::text)) "
                                  "FROM app.tenants x");
  }

  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  std::string malformed(const std::string& victim) {
    auto upper = victim;
    std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
    const std::string cases[]{upper.find_first_of("ABCDEF") == std::string::npos ? "A" : upper,
                              victim.substr(1),
                              victim + "0",
                              victim.substr(0, 63) + "g",
                              " " + victim.substr(1),
                              victim + "\n",
                              "\\x" + victim.substr(2),
                              "%",
                              "null"};
    return cases[pick(std::size(cases))];
  }

  void enter(pqxx::nontransaction& tx, State state, const std::string& own,
             const std::string& victim) {
    const auto set = [](const std::string& value) {
      return "SET LOCAL app.user_hash = '" + value + "'; ";
    };
    std::string sql;
    if (state == State::reused) {
      tx.exec("BEGIN; " + set(victim) + "SELECT count(*) FROM app.documents");
      sql += pick(2) ? "COMMIT; " : "ROLLBACK; ";
    }
    sql += "BEGIN; ";
    if (state == State::empty) sql += set("");
    if (state == State::malformed) sql += set(malformed(victim));
    if (knows_a_tenant(state)) sql += set(own);
    if (state == State::row_security_off) sql += "SET LOCAL row_security = off; ";
    if (state == State::rolled_back || state == State::own_after_victim) {
      sql += "SAVEPOINT s; " + set(victim);
      if (pick(2)) sql += "SELECT count(*) FROM app.documents; ";
      sql += "ROLLBACK TO SAVEPOINT s; ";
    }
    tx.exec(sql);
  }

  /// Empty when the outcome is as it must be.
  std::string judge(pqxx::nontransaction& tx, const std::string& sql, Expect expect, State state,
                    const std::string& own_count) {
    std::string error;
    pqxx::result rows;
    try {
      rows = tx.exec(sql);
    } catch (const pqxx::insufficient_privilege&) {
      error = "42501";
    } catch (const pqxx::sql_error& failed) {
      error = failed.sqlstate().empty() ? "?" : failed.sqlstate();
    }
    if (expect == Expect::refused || !knows_a_tenant(state) || state == State::row_security_off) {
      return error == "42501" ? "" : "wanted 42501, got '" + error + "'";
    }
    if (!error.empty()) return "failed with " + error;
    if (expect == Expect::own_count) {
      const std::string got = rows[0][0].c_str();
      return got == own_count ? "" : "counted " + got + " instead of " + own_count;
    }
    if (expect == Expect::no_rows && rows.size() != 0) return "saw rows";
    return rows.affected_rows() == 0 ? "" : "changed or saw rows";
  }

  /// Makes `count` random probes and tells of those that came out wrong, at most ten.
  std::vector<std::string> probe(unsigned long count) {
    std::vector<std::string> leaks;
    auto session = std::make_unique<pqxx::connection>(database_->app_dsn());
    for (; count > 0 && leaks.size() < 10; --count) {
      const auto state = static_cast<State>(pick(static_cast<int>(State::count)));
      if (state == State::fresh && pick(20) == 0) {
        session = std::make_unique<pqxx::connection>(database_->app_dsn());
      }
      states_.insert(state);
      auto leak = probe_once(*session, state);
      if (!leak.empty()) leaks.push_back("seed " + std::to_string(seed_) + ": " + leak);
    }
    return leaks;
  }

  std::string probe_once(pqxx::connection& session, State state) {
    const int own = pick(tenants);
    const int victim = (own + 1 + pick(tenants - 1)) % tenants;
    const auto at = static_cast<std::size_t>(pick(std::size(tables)));
    const auto& table = tables[at];
    const auto& verb = verbs[pick(std::size(verbs))];
    const auto &theirs = ids_[{victim, at}], &mine = ids_[{own, at}];
    auto id = theirs[static_cast<std::size_t>(pick(static_cast<int>(theirs.size())))];
    // A key that both tenants have names the prober's own row: no foreign one to look for.
    if (std::find(mine.begin(), mine.end(), id) != mine.end()) id += "0";
    const auto &own_hash = hashes_[static_cast<std::size_t>(own)],
               &their_hash = hashes_[static_cast<std::size_t>(victim)];
    const auto sql = filled(verb.sql, {{"t", table.name}, {"k", table.key}, {"c", table.column},
                                       {"all", table.all}, {"values", table.values}, {"id", id},
                                       {"v", their_hash}, {"o", own_hash}});
    pqxx::nontransaction tx(session);
    enter(tx, state, own_hash, their_hash);
    const auto wrong = judge(tx, sql, verb.expect, state, std::to_string(mine.size()));
    tx.exec(wrong.empty() && pick(2) ? "COMMIT" : "ROLLBACK");
    if (wrong.empty()) return "";
    return "state " + std::to_string(static_cast<int>(state)) + ": " + sql + ": " + wrong;
  }

  static inline std::vector<std::string> hashes_;
  static inline std::map<std::pair<int, std::size_t>, std::vector<std::string>> ids_;
  const unsigned long seed_ = number_from("MEMSEAL_ISOLATION_SEED", std::random_device{}());
  std::mt19937 random_;
  std::set<State> states_;
};

TEST_F(Isolation, NoStatementInAnyStateReachesAnotherTenantsRows) {
  const auto probes = number_from("MEMSEAL_ISOLATION_PROBES", 20'000);
  const auto before = digest();
  for (unsigned long made = 0; made < probes; made += 5'000) {
    for (const auto& leak : probe(std::min(5'000ul, probes - made))) ADD_FAILURE() << leak;
    ASSERT_EQ(digest(), before) << "after " << made << " probes";
  }
  if (probes >= 1'000) {
    EXPECT_EQ(states_.size(), static_cast<std::size_t>(State::count));
  }
  RecordProperty("probes", std::to_string(probes));
}

TEST_F(Isolation, TheOracleSeesALeakWhereThereIsOne) {
  database_->super("ALTER POLICY tenant_select ON app.documents USING (true)");
  const auto leaks = probe(1'500);
  database_->super("ALTER POLICY tenant_select ON app.documents "
                   "USING (user_hash = (SELECT app.tenant()))");
  EXPECT_FALSE(leaks.empty());
}

TEST_F(Isolation, CopyOutSeesOwnRowsAndFailsWithoutATenant) {
  pqxx::connection session(database_->app_dsn());
  const auto copied = [&](const std::string& settings) {
    pqxx::work tx(session);
    tx.exec(settings);
    int rows = 0;
    for ([[maybe_unused]] const auto& [id] :
         tx.stream<std::string>("SELECT doc_id FROM app.documents")) {
      ++rows;
    }
    return rows;
  };
  EXPECT_EQ(copied("SET LOCAL app.user_hash = '" + hashes_[1] + "'"), 2);
  EXPECT_THROW(copied("SELECT 1"), pqxx::failure);
}

TEST_F(Isolation, TheAdaptersHandOutOwnRowsHoweverHostileTheirArguments) {
  postgres::PgChunkStore store(*pool_);
  postgres::PgOperations operations(*pool_);
  postgres::PgChunkSearch search(*pool_);
  std::vector<crypto::Tenant> owners;
  std::vector<std::set<Uuid>> chunks;
  std::vector<Uuid> events;
  for (int number = 0; number < 4; ++number) {
    owners.push_back(new_tenant());
    const auto doc = "doc-" + std::to_string(number);
    auto write = event_of({.doc_id = doc});
    for (int index = 0; index < 3 + number; ++index) {
      ChunkSpec spec;
      spec.doc_id = doc;
      spec.index = index;
      spec.vector_seed = static_cast<unsigned>(index);
      write.chunks.push_back(sealed_chunk(owners.back(), spec, dimension));
    }
    std::set<Uuid> ids;
    for (const auto& chunk : write.chunks) ids.insert(chunk.header().id);
    chunks.push_back(ids);
    events.push_back(write.event_id);
    std::vector<ports::EventWrite> writes(1, write);
    (void)await(store.store(context_, owners.back(), std::move(writes)));
  }
  const std::string hostile[]{"' OR true --",
                              "upload' OR user_hash <> '",
                              "{\"doc-1\"}",
                              "\\",
                              "\"",
                              "$1",
                              "%",
                              "doc-0",
                              "doc-1",
                              "doc-2",
                              "doc-3",
                              "upload",
                              "}",
                              "NULL"};
  const auto some = [&] { return hostile[pick(std::size(hostile))]; };
  for (int call = 0; call < 400; ++call) {
    const auto who = static_cast<std::size_t>(pick(4));
    ports::SearchFilter filter;
    for (int origin = pick(3); origin > 0; --origin)
      filter.origins.push_back(origins[static_cast<std::size_t>(pick(3))]);
    for (int tag = pick(3); tag > 0; --tag) filter.tags.push_back(some());
    for (int doc = pick(4); doc > 0; --doc) filter.doc_ids.push_back(some());
    if (pick(3) == 0) filter.tags_any.push_back(some());
    if (pick(3) == 0) filter.tags_none.push_back(some());
    if (pick(3) == 0) filter.exclude.push_back(some());
    const auto& asked = chunks[static_cast<std::size_t>(pick(4))];
    if (pick(4) == 0) filter.ids.assign(asked.begin(), asked.end());
    if (pick(4) == 0) filter.after = ports::SearchPlace{0.5f, *asked.begin()};
    filter.without_texts = pick(2) == 0;
    ports::QueryVector query{unit_vector(static_cast<unsigned>(pick(10)), dimension)};
    for (const auto& hit : await(search.nearest(context_, owners[who], query, 50, filter))) {
      EXPECT_TRUE(chunks[who].contains(hit.id));
    }
    std::vector<Uuid> all(asked.begin(), asked.end());
    for (const auto& one : await(search.neighbours(context_, owners[who], std::move(all), 3)))
      EXPECT_TRUE(chunks[who].contains(one.of) && chunks[who].contains(one.chunk.id));
    const auto whose = static_cast<std::size_t>(pick(4));
    EXPECT_EQ(await(operations.find(context_, owners[who], events[whose])).has_value(),
              who == whose);
  }
  EXPECT_EQ(counts_.rls_errors.Value(), 0);
}

}  // namespace
}  // namespace memseal::test

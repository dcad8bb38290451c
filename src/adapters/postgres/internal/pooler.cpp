#include "adapters/postgres/internal/pooler.hpp"

#include "adapters/postgres/internal/connection.hpp"
#include "base/result.hpp"
#include "pure/crypto/random.hpp"

namespace memseal::postgres {

namespace {

// How often two sessions are compared. A pooler that lends sessions shows it at the first look,
// unless other clients use the session that was just returned.
constexpr int looks = 3;

int server_process(pqxx::nontransaction& work) {
  return work.exec("SELECT pg_catalog.pg_backend_pid()").one_field().as<int>();
}

int server_process(pqxx::connection& session) {
  pqxx::nontransaction work(session);
  return server_process(work);
}

// The server tells the number of its process twice: when a session begins, and by SQL. A pooler
// answers the first itself.
bool is_pooled(pqxx::connection& session) {
  return server_process(session) != session.backendpid();
}

/// Whether two sessions of a pooler share one session of the server.
/// NOTE: the second transaction is open while the first session is asked again, so the pool must
/// have two sessions. Where it has one, both have shown the same process before.
bool lends_for_transactions(pqxx::connection& first, const std::string& dsn) {
  auto second = open_connection(dsn);
  for (int look = 0; look < looks; ++look) {
    const int before = server_process(first);
    pqxx::nontransaction held(second);
    try {
      held.exec("BEGIN");
    } catch (const pqxx::broken_connection&) {
      throw;
    } catch (const pqxx::failure&) {
      return true;  // The pooler lends sessions for single statements.
    }
    const bool is_shared = server_process(held) == before || server_process(first) != before;
    held.exec("ROLLBACK");
    if (is_shared) return true;
  }
  return false;
}

// A pooler that knows prepared statements gives each its own name on the server.
// The name is random, because where the pooler passes it on, it may outlive this program.
bool passes_statements_on(pqxx::connection& session) {
  const auto name = "memseal_probe_" + crypto::random_uuid().to_string();
  pqxx::nontransaction work(session);
  work.exec("BEGIN");
  session.prepare(name, "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE name = '" +
                            name + "'");
  const bool has_our_name = work.exec(pqxx::prepped(name)).one_field().as<int>() > 0;
  if (has_our_name) session.unprepare(name);
  work.exec("ROLLBACK");
  return has_our_name;
}

}  // namespace

bool lends_sessions_for_transactions(pqxx::connection& session, const std::string& dsn) {
  return is_pooled(session) && lends_for_transactions(session, dsn);
}

void refuse_pooler_without_statements(pqxx::connection& session, const std::string& dsn) {
  if (!lends_sessions_for_transactions(session, dsn)) return;
  if (!passes_statements_on(session)) return;
  throw Refused({Errc::bad_config,
                 "database: postgres.dsn leads to a connection pooler in transaction mode that "
                 "does not know prepared statements: set its max_prepared_statements to 200 "
                 "(PgBouncer 1.21 or later), or its pool_mode to session, or let postgres.dsn name "
                 "the server itself",
                 "postgres.dsn"});
}

void refuse_pooler_of_transactions(pqxx::connection& session, const std::string& dsn) {
  if (!lends_sessions_for_transactions(session, dsn)) return;
  throw Refused({Errc::bad_config,
                 "postgres.migrate_dsn leads to a connection pooler in transaction mode: let it "
                 "name the server itself, past the pooler, because a migration keeps a lock and "
                 "settings in one session",
                 "postgres.migrate_dsn"});
}

}  // namespace memseal::postgres

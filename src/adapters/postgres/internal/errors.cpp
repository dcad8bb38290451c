#include "adapters/postgres/internal/errors.hpp"

#include <string>

namespace memseal::postgres {

namespace {

Error database_error(Errc code, std::string_view what, std::string_view sqlstate) {
  std::string message = "database: ";
  message += what;
  if (!sqlstate.empty()) {
    message += " (SQLSTATE ";
    message += sqlstate;
    message += ')';
  }
  return Error{code, std::move(message)};
}

/// What becomes of the connection.
enum class After {
  keep,   ///< the server answered, so ROLLBACK is enough
  close,  ///< another session may do better
  lost,   ///< the server is closing it
};

DatabaseFailure connection_lost() {
  DatabaseFailure failure{database_error(Errc::unavailable, "the connection was lost", {})};
  failure.connection_lost = true;
  return failure;
}

}  // namespace

std::string sqlstate_of(const pqxx::sql_error& thrown) {
  if (dynamic_cast<const pqxx::insufficient_privilege*>(&thrown)) return "42501";
  return thrown.sqlstate();
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

namespace {

/// What SQLSTATEs mean: an exact one, or a class by its first two characters. The first row that
/// matches counts.
struct SqlstateRow {
  std::string_view state;
  Errc code;
  std::string_view sentence;
  After after = After::keep;
};

constexpr std::string_view not_what_is_expected =
    "tables are missing or outdated: run `memseal migrate up`";

// Of the SQLSTATEs, only the two classes at the end are Errc::internal and may blame an event.
constexpr SqlstateRow sqlstates[]{
    // query_canceled. The server's statement_timeout, which follows the deadline of the call.
    {"57014", Errc::timeout, "the statement passed its time limit"},
    // The session is at fault.
    {"08", Errc::unavailable, "the server is shutting down or unavailable", After::lost},
    {"57", Errc::unavailable, "the server is shutting down or unavailable", After::lost},
    // The server ends sessions that stay idle in a transaction, or in one for too long.
    {"25P03", Errc::unavailable, "the server is shutting down or unavailable", After::lost},
    {"25P04", Errc::unavailable, "the server is shutting down or unavailable", After::lost},
    // read_only_sql_transaction: after a failover another server takes the writes.
    {"25006", Errc::unavailable, "the server is read-only: a standby, or a read-only default",
     After::close},
    {"25", Errc::unavailable, "the session is in a wrong state", After::close},
    // A connection pooler that shares sessions mixes up their prepared statements.
    {"26000", Errc::unavailable, "the session lost its prepared statements", After::close},
    {"42P05", Errc::unavailable, "the session has another's prepared statements", After::close},
    // "cached plan must not change result type": a migration changed a table meanwhile.
    {"0A000", Errc::unavailable, "the session's plans are out of date", After::close},
    // Other transactions, and what they use up.
    // Serialization failures and deadlocks; lock_timeout (55P03).
    {"40", Errc::overloaded, "another transaction blocked this one"},
    {"55", Errc::overloaded, "another transaction blocked this one"},
    {"23505", Errc::overloaded, "another transaction wrote the same row"},
    {"53", Errc::overloaded, "the server is out of resources"},
    // The set-up.
    {"42501", Errc::bad_config,
     "row-level security or a missing grant refused a statement: connect as app_user and run "
     "`memseal doctor`"},
    {"42", Errc::not_migrated, not_what_is_expected},
    {"3F000", Errc::not_migrated, not_what_is_expected},
    {"28", Errc::bad_config,
     "the server refused the user or the password: check the DSN (postgres.dsn)", After::close},
    {"3D000", Errc::bad_config, "there is no database of this name: check the DSN (postgres.dsn)",
     After::close},
    // pgvector's answer to a vector of another length.
    {"22000", Errc::dimension_mismatch,
     "a vector has another length than its column: run `memseal doctor`"},
    // The values of one event.
    {"22", Errc::internal, "the server refused a value"},
    {"23", Errc::internal, "the server refused a value"},
};

}  // namespace

Error connect_failure(std::string_view message) {
  const auto has = [&](std::string_view part) { return message.find(part) != message.npos; };
  const bool named = has("FATAL:") && has("does not exist");
  const bool refused = has("authentication failed") || has("no pg_hba.conf entry") ||
                       has("no password supplied") || has("is not permitted to log in");
  return Error{named || refused ? Errc::bad_config : Errc::unavailable,
               "database: cannot connect: " + first_line(message)};
}

bool found_read_only(std::string_view message) noexcept {
  return message.find("session is read-only") != message.npos ||
         message.find("server is in hot standby mode") != message.npos;
}

DatabaseFailure failure_of(std::string_view state) {
  if (state.empty()) return connection_lost();
  for (const auto& row : sqlstates) {
    if (!state.starts_with(row.state)) continue;
    DatabaseFailure failure{database_error(row.code, row.sentence, state)};
    failure.connection_in_doubt = row.after != After::keep;
    failure.connection_lost = row.after == After::lost;
    failure.rls = state == "42501";
    return failure;
  }
  // Nothing is known of it: it may be the session, the server or its disk.
  return DatabaseFailure{database_error(Errc::unavailable, "a statement failed", state)};
}

DatabaseFailure failure_of(const std::exception& thrown) {
  if (dynamic_cast<const pqxx::broken_connection*>(&thrown)) return connection_lost();
  // The connection broke during COMMIT. The transaction may have taken effect, and the ledger makes
  // a repetition harmless.
  if (dynamic_cast<const pqxx::in_doubt_error*>(&thrown)) return connection_lost();
  if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&thrown)) {
    return failure_of(sqlstate_of(*sql));
  }
  if (const auto* ours = dynamic_cast<const memseal::Failure*>(&thrown)) {
    DatabaseFailure failure{ours->error()};
    failure.connection_in_doubt = false;
    return failure;
  }
  if (dynamic_cast<const std::bad_alloc*>(&thrown))
    return DatabaseFailure{database_error(Errc::overloaded, "not enough memory", {})};
  return DatabaseFailure{database_error(Errc::internal, "the client library failed", {})};
}

}  // namespace memseal::postgres

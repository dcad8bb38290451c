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

DatabaseFailure failure_of(std::string_view state) {
  if (state.empty()) return connection_lost();
  DatabaseFailure failure;
  failure.connection_in_doubt = false;
  const auto in_class = [&](std::string_view two) { return state.substr(0, 2) == two; };
  if (state == "57014") {
    failure.error = database_error(Errc::timeout, "the statement passed its time limit", state);
  } else if (in_class("08") || in_class("57") || state == "25P03" || state == "25P04") {
    failure.error =
        database_error(Errc::unavailable, "the server is shutting down or unavailable", state);
    failure.connection_in_doubt = failure.connection_lost = true;
  } else if (in_class("40") || state == "55P03") {
    failure.error =
        database_error(Errc::unavailable, "another transaction blocked this one", state);
  } else if (in_class("53")) {
    failure.error = database_error(Errc::unavailable, "the server is out of resources", state);
  } else if (state == "42501") {
    // A missing grant or a wrong role: no event that is being written is to blame.
    failure.error =
        database_error(Errc::bad_config,
                       "row-level security or a missing grant refused a statement: connect as "
                       "app_user and run `memseal doctor`",
                       state);
    failure.rls = true;
  } else if (state == "42P01" || state == "3F000" || state == "42703" || state == "42883") {
    failure.error = database_error(
        Errc::not_migrated, "tables are missing or outdated: run `memseal migrate up`", state);
  } else if (state == "28P01" || state == "28000" || state == "3D000") {
    failure.error = database_error(
        Errc::unavailable,
        "the server refused the user, the password or the database name: check the DSN", state);
    failure.connection_in_doubt = true;
  } else {
    failure.error = database_error(Errc::internal, "a statement failed", state);
  }
  return failure;
}

DatabaseFailure failure_of(const std::exception& thrown) {
  if (dynamic_cast<const pqxx::broken_connection*>(&thrown)) return connection_lost();
  if (dynamic_cast<const pqxx::in_doubt_error*>(&thrown)) return connection_lost();
  if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&thrown)) {
    return failure_of(sqlstate_of(*sql));
  }
  if (const auto* ours = dynamic_cast<const memseal::Failure*>(&thrown)) {
    DatabaseFailure failure{ours->error()};
    failure.connection_in_doubt = false;
    return failure;
  }
  return DatabaseFailure{database_error(Errc::internal, "the client library failed", {})};
}

}  // namespace memseal::postgres

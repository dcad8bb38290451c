#pragma once
// What a command does with the failures of a database session of its own.
#include "adapters/postgres/internal/errors.hpp"
#include "base/result.hpp"

#include <pqxx/pqxx>

namespace memseal::postgres {

/// Runs `command` and turns every failure of the database, and every Failure, into an Error.
template <class Command>
auto run_command(const Command& command) -> Result<decltype(command())> {
  try {
    return command();
  } catch (const memseal::Failure& refused) {
    return refused.error();
  } catch (const pqxx::broken_connection& lost) {
    return Error{Errc::unavailable, "cannot reach the database: " + first_line(lost.what())};
  } catch (const pqxx::sql_error& failed) {
    return Error{Errc::internal,
                 first_line(failed.what()) + " (SQLSTATE " + sqlstate_of(failed) + ")"};
  } catch (const pqxx::failure& failed) {
    return Error{Errc::internal, first_line(failed.what())};
  }
}

}  // namespace memseal::postgres

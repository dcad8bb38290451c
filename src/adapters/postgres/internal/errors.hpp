#pragma once
#include "base/result.hpp"

#include <pqxx/pqxx>

#include <exception>
#include <string>
#include <string_view>

namespace memseal::postgres {

/// What the caller must do with the connection after a failure.
struct DatabaseFailure {
  Error error;
  bool connection_in_doubt = true;  ///< false: the server answered, so ROLLBACK is enough
  bool connection_lost = false;     ///< the statement may never have arrived
  bool rls = false;                 ///< SQLSTATE 42501
};

/// The SQLSTATE of an error. Needed because libpqxx 7.10 leaves it empty for 42501.
std::string sqlstate_of(const pqxx::sql_error& thrown);

/// First line of a server's or libpq's message.
std::string first_line(std::string_view text);

/// Meaning of a five-character SQLSTATE; empty stands for a lost connection.
DatabaseFailure failure_of(std::string_view sqlstate);

/// Meaning of an exception of libpqxx. The message names the SQLSTATE and never repeats the
/// server's text, because that may quote values.
DatabaseFailure failure_of(const std::exception& thrown);

}  // namespace memseal::postgres

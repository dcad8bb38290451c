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

/// Why no connection could be made, by libpq's message, which carries no SQLSTATE. bad_config: an
/// operator must act, because the server refused the user, the password or the name of the
/// database. Otherwise unavailable. NOTE: a server whose messages are translated is always
/// unavailable.
Error connect_failure(std::string_view message);

/// Whether libpq found a server but no read-write session (target_session_attrs).
bool found_read_only(std::string_view message) noexcept;

/// Meaning of a five-character SQLSTATE; empty stands for a lost connection. Only classes 22 and 23
/// (but 22000 and 23505) are Errc::internal, because no other one is an event's fault.
DatabaseFailure failure_of(std::string_view sqlstate);

/// Meaning of an exception of libpqxx. The message names the SQLSTATE and never repeats the
/// server's text, because that may quote values.
DatabaseFailure failure_of(const std::exception& thrown);

}  // namespace memseal::postgres

#pragma once
// Connection poolers (PgBouncer and its like) between this program and the server.
#include <pqxx/pqxx>

#include <string>

namespace memseal::postgres {

/// Whether `dsn` leads to a pooler that lends server sessions for single transactions. `session` is
/// an open session of `dsn`. Throws what libpqxx throws.
bool lends_sessions_for_transactions(pqxx::connection& session, const std::string& dsn);

/// Throws Refused{bad_config} when `dsn` leads to a pooler that lends server sessions for single
/// transactions and does not know prepared statements. memseal would then meet the statements of
/// others, or none. `session` is an open session of `dsn`.
/// Throws what libpqxx throws.
void refuse_pooler_without_statements(pqxx::connection& session, const std::string& dsn);

/// Throws Refused{bad_config} when `dsn` leads to a pooler that lends server sessions for single
/// transactions. A migration needs one session, for its lock and its settings.
/// Throws what libpqxx throws.
void refuse_pooler_of_transactions(pqxx::connection& session, const std::string& dsn);

}  // namespace memseal::postgres

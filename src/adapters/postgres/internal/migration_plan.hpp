#pragma once
#include "adapters/postgres/internal/migration_sql.hpp"
#include "adapters/postgres/migrate.hpp"

#include <pqxx/pqxx>

#include <string>
#include <vector>

namespace memseal::postgres {

/// What the statements of `sql` would do in this database: locks on tables that are there, and the
/// time by their rows and bytes.
void plan_statements(pqxx::transaction_base& tx, const std::string& sql, MigrationLine& line);

/// What `losses` would delete from this database, with counts; only what is there.
std::vector<LostData> count_lost(pqxx::connection& session, const std::vector<DataLoss>& losses);

}  // namespace memseal::postgres

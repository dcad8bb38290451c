#pragma once
#include "adapters/postgres/migrate.hpp"
#include "app/config/config.hpp"

namespace memseal::app {

/// `given`, or the folder of SQL pairs that was installed with the program.
Result<std::filesystem::path> find_migrations(const std::string& given);

/// Options of `migrate up`, with what it records: the check value of the tenant key, the model and
/// its dimension.
Result<postgres::MigrateOptions> migrate_options_of(const Config& config, const std::string& dsn,
                                                 const std::string& directory);

}  // namespace memseal::app

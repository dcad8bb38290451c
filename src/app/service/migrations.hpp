#pragma once
#include "adapters/postgres/migrate.hpp"
#include "app/config/config.hpp"

namespace memseal::app {

/// `given`, or where the SQL pairs lie beside the program.
Result<std::filesystem::path> find_migrations(const std::string& given);

/// What `migrate up` records: keys, model, dimension, read from what the configuration names.
Result<postgres::MigrateOptions> migrate_options_of(const Config& config, const std::string& dsn,
                                                 const std::string& directory);

}  // namespace memseal::app

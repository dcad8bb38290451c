#pragma once
// What the commands about root keys have in common.
#include "adapters/postgres/key_table.hpp"
#include "app/config/config.hpp"

#include <memory>
#include <string>

namespace memseal::app {

/// The address of a role that may read every tenant's rows; empty: none is set.
std::string reader_dsn_of(const Config& config);
/// The address of the tables' owner. Throws Refused{bad_config} where it is not set.
std::string owner_dsn_of(const Config& config);

/// Throws Refused{bad_config} where the keys do not lie in a file, and so cannot change.
void require_keyring_file(const Config& config);
/// Throws Refused{bad_config} unless the three addresses that a rotation of the KEK needs are set.
void require_database(const Config& config);

enum class Writes { no, yes };
/// Throws Failure.
std::unique_ptr<postgres::PgKeyTable> open_key_table(const Config& config, Writes writes);

}  // namespace memseal::app

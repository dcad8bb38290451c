#pragma once
#include "base/result.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace memseal::postgres {

/// The text of one SQL pair, NNNN_name.up.sql and NNNN_name.down.sql, and of NNNN_name.check.sql: a
/// query whose rows are sentences about what is wrong at this version.
struct MigrationFile {
  int version = 0;
  std::string name;  ///< "0001_init"
  std::string up, down;
  std::string check;     ///< may be empty
  std::string checksum;  ///< SHA-256 of `up`, hex
};

/// Reads a directory of pairs, ordered by version. Error bad_config: no directory, no pairs,
/// another file name, a missing half, a number used twice, a gap (versions count from 1).
Result<std::vector<MigrationFile>> read_migrations(const std::filesystem::path& directory);

}  // namespace memseal::postgres

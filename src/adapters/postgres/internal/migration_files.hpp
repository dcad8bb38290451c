#pragma once
#include "base/result.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace memseal::postgres {

/// One SQL pair, NNNN_name.up.sql and NNNN_name.down.sql, as it reads on disk.
struct MigrationFile {
  int version = 0;
  std::string name;                       ///< "0001_init"
  std::string up, down;
  std::string checksum;                   ///< SHA-256 of `up`, hex
};

/// Reads a directory of pairs, by version. bad_config: no directory, no pairs, a stray name, a
/// missing half, a number used twice, a gap (versions count from 1).
Result<std::vector<MigrationFile>> read_migrations(const std::filesystem::path& directory);

}  // namespace memseal::postgres

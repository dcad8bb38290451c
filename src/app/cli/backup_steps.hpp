#pragma once
// What the commands of `memseal backup` share.
#include "app/cli/backup_archive.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/progress_line.hpp"
#include "base/result.hpp"
#include "pure/crypto/keyring.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace memseal::app {

/// The exit code of a backup command that ended with `error`.
int backup_exit_code(const Error& error);

/// Reads the dump into the database of `dsn`, all or nothing. REQUIRES: RestoreTarget::open().
/// `major` is the version of the server.
Result<void> read_dump(const std::filesystem::path& dump, const std::string& dsn, int major,
                       const std::filesystem::path& work);

/// Whether a database has the rows that the manifest counts. The sentence of the Error
/// (open_failed) names the first table that differs.
Result<void> compare_rows(const std::map<std::string, std::int64_t>& wanted,
                          const std::map<std::string, std::int64_t>& seen);

/// Whether `keyring` belongs to the database of the manifest, and has every KEK that wraps
/// keys in it. Errors: key_invalid, key_missing.
Result<void> check_keyring(const Manifest& manifest, const crypto::Keyring& keyring);

}  // namespace memseal::app

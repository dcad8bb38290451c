#pragma once
// Schema migrations: plain SQL pairs NNNN_name.up.sql and NNNN_name.down.sql.
// For the command line: every call opens its own connection and blocks.
#include "base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace memseal::postgres {

using KeyCheck = std::array<std::uint8_t, 16>;    ///< Keyring::tenant_key_check()

struct MigrateOptions {
  std::string dsn;                        ///< a superuser, or later a member of memory_owner
  std::filesystem::path directory;        ///< of the SQL pairs
  std::optional<int> to = {};             ///< target version; default: newest (up), 0 (down)
  // The deployment's fingerprint: the first `up` records it in app.settings, later ones check it.
  std::size_t dimension = 384;            ///< of every vector; `${dimension}` in the SQL
  std::string model = {};                 ///< name of the embedder; empty: not recorded
  std::optional<KeyCheck> key_check = {};
  /// Password that app_user gets after `up`. Empty: the password stays.
  std::string app_user_password = {};
};

/// One migration as `status` and `plan` show it.
struct MigrationLine {
  int version = 0;
  std::string name;
  bool applied = false;
  bool changed = false;                   ///< the file has changed since it was applied
  std::string applied_at;                 ///< UTC, ISO 8601; empty unless applied
};

/// A mistake in the database catalog that would let rows pass between tenants.
struct MigrateReport {
  std::vector<MigrationLine> done;        ///< in the order they ran, or (plan) would run
  int version = 0;                        ///< of the database now
  std::vector<std::string> notes;         ///< sentences for people, e.g. about pgvector's version
};

/// Brings the database up to `to` (or the newest). Each migration is one transaction, under an
/// advisory lock with a lock_timeout of 2 s. It ends with the catalog lint; a finding rolls the
/// migration back. Errors: bad_config (files, a changed file), unavailable, dimension_mismatch,
/// key_invalid, internal (SQL or lint; the message names file and cause).
Result<MigrateReport> migrate_up(const MigrateOptions& options);
/// Reverts migrations, newest first, down to `to`. The default 0 reverts all and deletes all data.
Result<MigrateReport> migrate_down(const MigrateOptions& options);
/// Returns what migrate_up() would do; changes nothing.
Result<MigrateReport> migrate_plan(const MigrateOptions& options);
/// Every known migration, applied or not.
Result<std::vector<MigrationLine>> migrate_status(const MigrateOptions& options);

}  // namespace memseal::postgres

#pragma once
// Schema migrations: plain SQL pairs NNNN_name.up.sql / NNNN_name.down.sql. For the command line:
// every call blocks, on a connection of its own.
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
  std::filesystem::path directory;        ///< where the SQL pairs lie
  std::optional<int> to = {};             ///< last version to be in place; default: all / none
  // Facts about the deployment, recorded in app.settings on the first `up` and checked on others.
  std::size_t dimension = 384;            ///< of every vector; `${dimension}` in the SQL
  std::string model = {};                 ///< name of the embedder; empty: not recorded
  std::optional<KeyCheck> key_check = {};
  /// Password of app_user, set after `up`. Empty: left as it is.
  std::string app_user_password = {};
};

/// One migration as `status` and `plan` show it.
struct MigrationLine {
  int version = 0;
  std::string name;
  bool applied = false;
  bool changed = false;                   ///< applied from a file that reads otherwise today
  std::string applied_at;                 ///< UTC, ISO 8601; empty unless applied
};

/// A mistake in the catalog that would let rows pass between tenants, and where it is.
struct LintFinding {
  std::string rule;                       ///< stable name, e.g. "rls_not_forced"
  std::string where;
};

struct MigrateReport {
  std::vector<MigrationLine> done;        ///< in the order they ran (or would run: plan)
  int version = 0;                        ///< now
  std::vector<std::string> notes;         ///< sentences for people, e.g. about pgvector's version
};

/// Brings the database up to `to` (or the newest). Each migration is one transaction under an
/// advisory lock with a lock_timeout of 2 s, and ends with the catalog lint: a finding rolls it
/// back. Errors: bad_config (files, a changed file), unavailable, dimension_mismatch, key_invalid,
/// internal (SQL or lint; the sentence names file and cause).
Result<MigrateReport> migrate_up(const MigrateOptions& options);
/// Takes migrations back, newest first, down to `to` (default 0: all of them, and all data).
Result<MigrateReport> migrate_down(const MigrateOptions& options);
/// What `up` would do.
Result<MigrateReport> migrate_plan(const MigrateOptions& options);
/// Every known migration, applied or not.
Result<std::vector<MigrationLine>> migrate_status(const MigrateOptions& options);

/// The catalog lint alone; empty means clean. Needs a role that may read the catalog.
Result<std::vector<LintFinding>> lint(const std::string& dsn);

}  // namespace memseal::postgres

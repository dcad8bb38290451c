#pragma once
// Schema migrations: plain SQL pairs NNNN_name.up.sql and NNNN_name.down.sql, with
// NNNN_name.check.sql where the outcome is to be checked.
// For the command line: every call opens its own connection and blocks.
#include "base/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace memseal::postgres {

using KeyCheck = std::array<std::uint8_t, 16>;  ///< Keyring::tenant_key_check()
using KekChecks = std::map<std::uint32_t, KeyCheck>;  ///< Keyring::kek_checks()

struct MigrateOptions {
  std::string dsn;                        ///< a superuser, or later a member of memory_owner
  std::filesystem::path directory;        ///< of the SQL pairs
  /// Target version; default: the newest (up), one below the database's (down).
  std::optional<int> to = {};
  bool lose_data = false;                 ///< down: delete data too
  // The deployment's fingerprint: the first `up` records it in app.settings, later ones check it.
  std::size_t dimension = 384;            ///< of every vector; `${dimension}` in the SQL
  std::string model = {};                 ///< name of the embedder; empty: not recorded
  std::optional<KeyCheck> key_check = {};
  KekChecks kek_checks = {};              ///< of KEKs that wrap or did wrap
  std::uint32_t kek_current = 0;          ///< the one that wraps; 0: not checked
  /// Password that app_user gets after `up`. Empty: the password stays.
  std::string app_user_password = {};
};

/// One statement of a migration as `plan` shows it.
struct PlannedStatement {
  std::string sql;           ///< on one line
  std::string lock, tables;  ///< PostgreSQL's name of the lock, and what is locked; empty: nothing
  bool stops_others = false; ///< others wait while every row is worked on
  double seconds = 0;        ///< estimated by rows and bytes
};

/// One migration as `status` and `plan` show it.
struct MigrationLine {
  int version = 0;
  std::string name;
  bool applied = false;
  bool changed = false;                   ///< the file has changed since it was applied
  std::string applied_at;                 ///< UTC, ISO 8601; empty unless applied
  double seconds = 0;                     ///< that it took; plan: that it will take, estimated
  bool online = true;                     ///< plan: the service may serve meanwhile
  std::vector<PlannedStatement> statements = {};  ///< plan
};

/// Data that `down` deletes: values of a column, or rows where `column` is empty.
struct LostData {
  std::string table, column;
  std::int64_t count = 0;
  bool estimated = false;  ///< the role may not count them
};

/// "3 rows of app.documents, 7 values of app.documents.meta".
std::string describe(const std::vector<LostData>& lost);

/// What a command did or would do.
struct MigrateReport {
  std::vector<MigrationLine> done;        ///< in the order they ran, or (plan) would run
  int version = 0;                        ///< of the database now
  std::vector<std::string> notes;         ///< sentences for people, e.g. about pgvector's version
  std::vector<LostData> lost = {};        ///< down
};

/// Brings the database up to `to` (or the newest). Each migration is one transaction, under an
/// advisory lock with a lock_timeout of 2 s. It ends with its check and the catalog lint; a finding
/// rolls the migration back. Errors: bad_config (files, a changed file), unavailable,
/// dimension_mismatch, key_invalid, internal (SQL or lint; the message names file and cause).
Result<MigrateReport> migrate_up(const MigrateOptions& options);
/// Reverts migrations, newest first, down to `to`; by default the newest alone. Without
/// options.lose_data: error bad_request where data would be deleted; the message counts it.
Result<MigrateReport> migrate_down(const MigrateOptions& options);
/// Returns what migrate_up() would do, statement by statement; changes nothing.
Result<MigrateReport> migrate_plan(const MigrateOptions& options);
/// Every known migration, applied or not.
Result<std::vector<MigrationLine>> migrate_status(const MigrateOptions& options);

}  // namespace memseal::postgres

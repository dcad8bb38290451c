#pragma once
// A database that a dump is read into: `memseal backup restore` and `verify`.
#include "adapters/postgres/backup.hpp"

#include <memory>
#include <string>
#include <vector>

namespace memseal::postgres {

/// Holds the lock of `memseal migrate` while it lives. Blocks.
class RestoreTarget {
 public:
  /// Makes what a dump needs and does not hold: the roles, pgvector, the table of migrations.
  /// REQUIRES: options.directory has the migrations of this release.
  /// Errors: bad_config where the database is not empty and `force` is false, or where the backup
  /// is of a newer schema or a newer server; unavailable; internal.
  static Result<std::unique_ptr<RestoreTarget>> open(const MigrateOptions& options,
                                                     const BackupFacts& facts, bool force);
  ~RestoreTarget();

  int server_major() const noexcept;
  const std::vector<std::string>& notes() const noexcept;  ///< sentences for people

  /// What follows pg_restore: settings of app_user, its password where options name one,
  /// statistics.
  Result<void> finish(const BackupFacts& facts);

 private:
  struct State;
  RestoreTarget();
  std::unique_ptr<State> state_;
};

/// Deletes what a trial restored: schemas app and memseal with all they hold.
Result<void> drop_restored(const std::string& dsn);

}  // namespace memseal::postgres

#pragma once
// The database's side of `memseal keys`: all tenants' wrapped keys, and what is recorded of the
// keys that wrap them.
#include "adapters/postgres/migrate.hpp"
#include "base/result.hpp"
#include "ports/key_table.hpp"

#include <memory>
#include <string>
#include <vector>

namespace memseal::postgres {

/// Wrapped keys in app.tenant_keys. Reads as a role that row-level security does not bind, and
/// writes as app_user, tenant by tenant.
/// Thread: one. Blocks.
class PgKeyTable final : public ports::KeyTable {
 public:
  /// `reader_dsn`: of memory_backup, or a superuser. `writer_dsn`: of app_user; empty: nothing is
  /// replaced. Errors: unavailable; bad_config, not_isolated where a role may do too little or too
  /// much.
  static Result<std::unique_ptr<PgKeyTable>> open(const std::string& reader_dsn,
                                                  const std::string& writer_dsn);
  ~PgKeyTable() override;

  std::map<std::uint32_t, std::int64_t> count_by_epoch() override;
  std::vector<Row> read(std::optional<std::uint32_t> not_epoch, const std::optional<Place>& after,
                        std::size_t rows_max) override;
  std::int64_t replace(const std::vector<Change>& changes) override;

 private:
  struct Sessions;
  explicit PgKeyTable(std::unique_ptr<Sessions> sessions);
  std::unique_ptr<Sessions> sessions_;
};

/// What a keyring says of the database that it is for.
struct KeyringMark {
  KeyCheck tenant_key{};
  KekChecks keks = {};
  std::uint32_t kek_current = 0;
};

// What follows connects by `owner_dsn` as the owner (postgres.migrate_dsn). Errors of each:
// unavailable, internal, not_migrated; key_invalid, key_missing where the database was written with
// another keyring.

/// Refuses (bad_config) addresses that lead to more than one database: what one of them says of a
/// key would not hold for the other. Returns the newest KEK that is recorded; 0: none.
Result<std::uint32_t> check_databases(const std::vector<std::string>& dsns,
                                      const std::string& owner_dsn, const KeyringMark& ours);

/// Records the check value of a KEK, so that a start with another key of its epoch is refused.
/// Error: key_invalid where another key of this epoch is recorded; then nothing changed.
/// REQUIRES: `ours` has the epoch.
Result<void> record_kek(const std::string& owner_dsn, const KeyringMark& ours,
                        std::uint32_t epoch);

/// Forbids rows that this KEK wraps, from now on and for every process, and records that it is
/// retired: no keyring needs it, and none whose current one it is may start. Never makes
/// writers wait longer than 0.3 s at a time; waits for them some seconds itself, and fails then
/// (internal). False: there are such rows, and the database is as before. May be called again.
Result<bool> retire_kek(const std::string& owner_dsn, const KeyringMark& ours,
                        std::uint32_t epoch);

}  // namespace memseal::postgres

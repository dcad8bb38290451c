#pragma once
// The database's side of `memseal backup`: what a dump belongs to, and what was restored.
// For the command line: every call opens its own connection and blocks.
#include "adapters/postgres/migrate.hpp"
#include "adapters/postgres/pool.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/sealer.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::postgres {

/// What a backup says of the database that it was taken of.
struct BackupFacts {
  std::string database;               ///< its name
  std::string system_identifier;      ///< of the cluster
  int server_version = 0;             ///< as the server numbers it: 150014
  std::int64_t taken_at_ms = 0;       ///< Unix time of the snapshot
  int schema_version = 0;
  std::string tenant_key_check;       ///< hex; empty: the database has none
  std::string vector_schema, vector_version;  ///< of pgvector; the schema is quoted
  std::vector<std::uint32_t> kek_epochs;      ///< keys that the keyring must have
  std::vector<std::string> roles;             ///< that own or may use what is dumped
  std::vector<std::string> role_settings;     ///< of app_user in this database: "jit=off"
  std::map<std::string, std::int64_t> rows;   ///< by table: "app.documents"

  int server_major() const noexcept { return server_version / 10'000; }
};

/// One moment of a database, which pg_dump can read while this object lives.
class BackupSnapshot {
 public:
  /// Reads the facts and counts the rows of that moment.
  /// Errors: bad_config where the role of `dsn` may not read every row, not_migrated, unavailable.
  static Result<std::unique_ptr<BackupSnapshot>> open(const std::string& dsn);
  ~BackupSnapshot();

  const std::string& id() const noexcept { return id_; }  ///< for pg_dump --snapshot
  const BackupFacts& facts() const noexcept { return facts_; }

 private:
  struct Session;
  BackupSnapshot();
  std::unique_ptr<Session> session_;
  std::string id_;
  BackupFacts facts_;
};

/// The connection of `dsn` as variables of the environment, for PostgreSQL's own programs: the
/// arguments of a process are for everybody to see. Error: bad_config.
Result<std::vector<std::pair<std::string, std::string>>> libpq_environment(const std::string& dsn);

/// A backup that was taken, as app.backups keeps it.
struct BackupRecord {
  std::int64_t taken_at_ms = 0, bytes = 0;
  std::string release, sha256;
};

/// Errors: not_migrated where the schema is too old for it, bad_config without the right to.
Result<void> record_backup(const std::string& dsn, const BackupRecord& record);

/// Unix time in ms of the newest backup. Empty: none was recorded. Throws Outage or Refused.
asio::awaitable<std::optional<std::int64_t>> newest_backup(Pool& pool,
                                                           runtime::RequestContext context);

/// A stored chunk that was picked at random, and its tenant's key.
struct SampledSeal {
  UserHash owner;
  crypto::SealedCandidate chunk;
  std::optional<crypto::WrappedKey> key;  ///< empty: the database does not have it
};

/// At most `count` chunks, each picked with equal chance.
Result<std::vector<SampledSeal>> sample_seals(const std::string& dsn, std::size_t count);

/// A tenant's row. User ids are not stored, so an operator finds a tenant by its hash.
struct TenantRow {
  std::string user_hash;
  bool erased = false;
  std::int64_t chunks = 0, files = 0, file_bytes = 0;
  std::int64_t created_at_ms = 0, erased_at_ms = 0;  ///< Unix time; 0: not erased
};

/// Calls `visit` for each tenant in the order of hashes, until it returns false. Memory: a page.
/// Errors: bad_config where the role of `dsn` may not read every row, unavailable.
Result<void> for_each_tenant(const std::string& dsn,
                             const std::function<bool(const TenantRow&)>& visit);

/// Rows of each table that memseal has. REQUIRES: a role that may read all rows.
Result<std::map<std::string, std::int64_t>> count_rows(const std::string& dsn);

}  // namespace memseal::postgres

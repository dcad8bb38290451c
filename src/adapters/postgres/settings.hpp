#pragma once
// What an operator may set of PostgreSQL.
#include "base/setting.hpp"

namespace memseal::postgres {

inline constexpr std::int64_t connections_default = 4, waiting_max_default = 256;

/// Section `postgres`.
struct DatabaseSettings {
  std::string dsn;          ///< as app_user
  std::string migrate_dsn;  ///< as the owner; for `memseal migrate` and `dev`
  std::string backup_dsn;   ///< as memory_backup; for `memseal backup create`
  std::int64_t connections = connections_default;
  /// Beside the others, so that no question waits for what ingest writes.
  std::int64_t ingest_connections = connections_default;
  std::int64_t waiting_max = waiting_max_default;
  std::int64_t verify_every_s = 60;

  static SettingRows<DatabaseSettings> rows();
};

}  // namespace memseal::postgres

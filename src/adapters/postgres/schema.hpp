#pragma once
// Checks whether the configured database belongs to this deployment.
#include "adapters/postgres/migrate.hpp"
#include "adapters/postgres/pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace memseal::postgres {

/// The oldest schema version (in app.settings) that this code works with.
inline constexpr int schema_version_min = 10;
/// The newest one whose tables this code knows. A newer one is additive, and served as well.
inline constexpr int schema_version_known = 11;

/// What this deployment writes, and so what the database must have been written with.
struct DeploymentFingerprint {
  std::size_t dimension = 384;
  std::string model;  ///< empty: not checked
  std::optional<KeyCheck> key_check = {};
  KekChecks kek_checks = {};
  std::uint32_t kek_current = 0;  ///< the KEK that wraps; 0: not checked
};

/// Compares the fingerprint that the database recorded with `ours`. Errors, each with its fix:
/// not_migrated, dimension_mismatch (also for another model), key_invalid (with another tenant key
/// every row would be invisible), key_missing (a KEK that wraps keys).
/// Throws Outage{unavailable | timeout}.
asio::awaitable<Result<void>> check_schema(Pool& pool, runtime::RequestContext context,
                                           DeploymentFingerprint ours);
/// The same on a connection of its own; blocks. An unreachable database is Error unavailable, and
/// bad_config a connection pooler that memseal cannot work with.
Result<void> check_schema(const std::string& dsn, const DeploymentFingerprint& ours);

/// Whether rows can be written now. Error unavailable: only a standby or a server that is read-only
/// answers. Throws Outage{unavailable | timeout} or Refused where nothing is known.
asio::awaitable<Result<void>> check_writable(Pool& pool, runtime::RequestContext context);

/// Whether the tenant key and the KEKs are those that the database was written with. Blocks.
/// Errors: key_invalid (also where `kek_current` is retired), key_missing, not_migrated,
/// unavailable.
Result<void> check_key(const std::string& dsn, const KeyCheck& ours, const KekChecks& keks,
                       std::uint32_t kek_current);

}  // namespace memseal::postgres

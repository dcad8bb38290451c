#pragma once
// Whether this process fits the database it was pointed at.
#include "adapters/postgres/migrate.hpp"
#include "adapters/postgres/pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace memseal::postgres {

/// The schema version this code needs; app.settings must hold it or a newer one.
inline constexpr int schema_version_min = 1;

struct DeploymentFingerprint {
  std::size_t dimension = 384;
  std::string model;                      ///< empty: not checked
  std::optional<KeyCheck> key_check = {};
};

/// Compares what the database recorded with what this process brings. Errors, each with its mend:
/// not_migrated, dimension_mismatch (also for another model), key_invalid (another tenant key:
/// every row would be invisible). Throws Outage{unavailable | timeout} when it is away.
asio::awaitable<Result<void>> check_schema(Pool& pool, runtime::RequestContext context,
                                           DeploymentFingerprint ours);
/// The same on a connection of its own; blocks. An absent database is Error unavailable.
Result<void> check_schema(const std::string& dsn, const DeploymentFingerprint& ours);

}  // namespace memseal::postgres

#pragma once
// Proofs of isolation that an operator runs against a database: `memseal verify`.
// Each runs on a session of its own as the role that serves, blocks, and leaves nothing behind.
#include "base/result.hpp"

#include <string>
#include <vector>

namespace memseal::postgres {

/// One thing that was tried.
struct Proof {
  std::string name;    ///< what holds, as a sentence
  bool holds = false;
  std::string detail;  ///< what was seen
};

/// Five checks of what stands in the catalog, and the whole lint.
/// Error: unavailable, not_migrated or internal; then nothing was proven.
Result<std::vector<Proof>> verify_rls(const std::string& dsn);

/// Writes rows of two new tenants, A and B, and looks for them as A, as B, as a third tenant C and
/// without a tenant, in one transaction that is rolled back.
/// Errors: as verify_rls().
Result<std::vector<Proof>> verify_leak(const std::string& dsn);

/// Plans every statement that the service sends to tables of tenants, and looks whether each reads
/// them by an index condition on the tenant.
/// Errors: as verify_rls().
Result<std::vector<Proof>> verify_plans(const std::string& dsn);

/// The same statements as a script for psql: PREPARE and EXPLAIN of each. `vector_schema` is the
/// schema of the pgvector extension.
std::string plans_script(const std::string& vector_schema);

}  // namespace memseal::postgres

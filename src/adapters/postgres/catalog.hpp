#pragma once
// What the database's catalog says about the isolation of tenants.
#include "adapters/postgres/pool.hpp"
#include "base/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace memseal::postgres {

/// One mistake in the catalog that would let rows pass between tenants.
struct LintFinding {
  std::string rule;   ///< stable name, e.g. "rls_not_forced"
  std::string where;  ///< the table, function, role or index that breaks the rule
};

/// "rls_not_forced (app.documents), policy_count (app.tenants)"; the first `named_max` of them.
std::string describe(const std::vector<LintFinding>& findings, std::size_t named_max = 100);

/// Runs only the catalog lint. Empty: no finding. REQUIRES: a role that may read the catalog.
Result<std::vector<LintFinding>> lint(const std::string& dsn);
/// The same, and the rules about the role of the session, because row-level security has to bind
/// it: for the role that serves, not for the owner of the tables.
Result<std::vector<LintFinding>> lint_as_service(const std::string& dsn);
/// As lint_as_service(), on a connection of the pool. Throws Outage or Refused.
asio::awaitable<std::vector<LintFinding>> lint_as_service(Pool& pool,
                                                          runtime::RequestContext context);

/// Error: not_isolated where there is a finding.
Result<void> check_isolation(const std::vector<LintFinding>& findings);

}  // namespace memseal::postgres

#pragma once
// Whether a plan of PostgreSQL reads the tables of tenants by the tenant.
#include <string>

namespace memseal::postgres {

/// What a plan does with the tables of tenants.
struct CheckedPlan {
  std::string unbounded = {};  ///< what no condition on the tenant bounds; empty: nothing
  std::string indexes = {};    ///< those that bound a scan by the tenant
};

/// Looks at the output of EXPLAIN (FORMAT JSON). Every scan of a relation but app.settings, which
/// has no tenants, needs an index condition by which the tenant equals one value.
/// A text that is no plan is unbounded. Never throws on input.
CheckedPlan check_plan(const std::string& plan);

}  // namespace memseal::postgres

#pragma once
#include "adapters/postgres/migrate.hpp"

#include <pqxx/pqxx>

#include <vector>

namespace memseal::postgres {

/// Runs every rule inside the caller's transaction. Empty: no finding.
std::vector<LintFinding> lint_catalog(pqxx::transaction_base& tx);

}  // namespace memseal::postgres

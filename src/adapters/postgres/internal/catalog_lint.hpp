#pragma once
#include "adapters/postgres/catalog.hpp"

#include <pqxx/pqxx>

#include <vector>

namespace memseal::postgres {

// Both run inside the caller's transaction. Empty: no finding.
// REQUIRES: an empty search_path, because the rules compare the server's own spelling of names and
// expressions, which depends on it.

/// The rules about tables, policies, functions, grants and the role app_user.
std::vector<LintFinding> lint_catalog(pqxx::transaction_base& tx);
/// The same, and the rules about the role of this session, which serves.
std::vector<LintFinding> lint_catalog_and_session(pqxx::transaction_base& tx);

}  // namespace memseal::postgres

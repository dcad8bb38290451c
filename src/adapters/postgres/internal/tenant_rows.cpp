#include "adapters/postgres/internal/tenant_rows.hpp"

#include "adapters/postgres/internal/shipped_statements.hpp"

namespace memseal::postgres {

namespace {

// Erasure locks the row FOR UPDATE: it waits for every holder of this lock, and later holders wait
// for the erasure. A lock obeys the policy for changes, which hides a tombstone.
constexpr Statement lock{
    "tenant_lock",
    "SELECT 1 FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR KEY SHARE"};
constexpr Statement make{"tenant_make",
                         "INSERT INTO app.tenants (user_hash) VALUES ($1) ON CONFLICT DO NOTHING"};

}  // namespace

bool lock_tenant_row(TenantTx& tx) {
  if (!tx.exec(lock).empty()) return true;
  tx.exec(make, pqxx::params{tx.user_hash()});
  return !tx.exec(lock).empty();
}

std::vector<Statement> tenant_row_statements() {
  return {lock, make};
}

}  // namespace memseal::postgres

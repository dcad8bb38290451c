#include "adapters/postgres/internal/tenant_rows.hpp"

#include "adapters/postgres/internal/shipped_statements.hpp"

#include <string_view>

namespace memseal::postgres {

namespace {

// Erasure locks the row FOR UPDATE: it waits for every holder of this lock, and later holders wait
// for the erasure.
constexpr Statement lock{
    "tenant_lock",
    "SELECT state FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR KEY SHARE"};
constexpr Statement make{"tenant_make",
                         "INSERT INTO app.tenants (user_hash) VALUES ($1) ON CONFLICT DO NOTHING"};

}  // namespace

bool lock_tenant_row(TenantTx& tx) {
  auto found = tx.exec(lock);
  if (found.empty()) {
    tx.exec(make, pqxx::params{tx.user_hash()});
    found = tx.exec(lock);
  }
  return std::string_view(found.at(0).at(0).c_str()) == "active";
}

std::vector<Statement> tenant_row_statements() {
  return {lock, make};
}

}  // namespace memseal::postgres

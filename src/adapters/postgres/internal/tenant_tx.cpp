#include "adapters/postgres/internal/tenant_tx.hpp"

#include "base/assert.hpp"
#include "base/result.hpp"

#include <algorithm>
#include <string>

namespace memseal::postgres {

namespace {

[[noreturn]] void fail_timeout() {
  throw Outage(Error{Errc::timeout, "database: the deadline has passed"});
}

// SET LOCAL, so that the setting ends with the transaction and the connection goes back unchanged.
// At least 1 ms, because 0 would mean no limit.
std::string time_limit(const runtime::Deadline& deadline, std::chrono::milliseconds call_max) {
  if (deadline.passed()) fail_timeout();
  const auto left = std::clamp(deadline.left_ms(), std::chrono::milliseconds(1), call_max);
  return "SET LOCAL statement_timeout = " + std::to_string(left.count());
}

bool roll_back(pqxx::nontransaction& work) noexcept {
  try {
    work.exec("ROLLBACK");
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

// One text for BEGIN and both settings is one round trip; libpqxx would send its BEGIN alone.
TenantTx::TenantTx(Connection& connection, const crypto::Tenant& owner,
                   const runtime::RequestContext& context, std::chrono::milliseconds call_max,
                   Access access)
    : connection_(connection),
      deadline_(context.deadline),
      user_hash_(owner.hash().to_hex()),
      work_(connection.session()) {
  // SET takes no parameters. The hash is safe in the text, because it is 64 hex digits of our own.
  const char* begin = access == Access::read_one_snapshot
                          ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                          : "BEGIN";
  work_.exec(begin + ("; SET LOCAL app.user_hash = '" + user_hash_) + "'; " +
             time_limit(deadline_, call_max));
}

pqxx::result TenantTx::exec(const Statement& statement, const pqxx::params& parameters) {
  if (deadline_.passed()) fail_timeout();
  // Cleared only after success: whatever throws leaves a transaction that commit() refuses.
  broken_ = true;
  auto result = work_.exec(connection_.prepared(statement), parameters);
  broken_ = false;
  return result;
}

std::optional<pqxx::result> TenantTx::exec_unless_duplicate(const Statement& statement,
                                                            const pqxx::params& parameters) {
  const auto prepared = connection_.prepared(statement);  // outlives the savepoint
  if (deadline_.passed()) fail_timeout();
  broken_ = true;
  std::optional<pqxx::result> result;
  work_.exec("SAVEPOINT before_insert");
  try {
    result = work_.exec(prepared, parameters);
  } catch (const pqxx::unique_violation&) {
    work_.exec("ROLLBACK TO SAVEPOINT before_insert");
  }
  work_.exec("RELEASE SAVEPOINT before_insert");
  broken_ = false;
  return result;
}

// PostgreSQL answers a COMMIT after a failed statement with success, but rolls back.
void TenantTx::commit() {
  MEMSEAL_ASSERT(!broken_);
  work_.exec(rolls_back_ ? "ROLLBACK" : "COMMIT");
}

bool TenantTx::try_roll_back() noexcept { return roll_back(work_); }

SystemTx::SystemTx(Connection& connection, const runtime::RequestContext& context,
                   std::chrono::milliseconds call_max)
    : work_(connection.session()) {
  work_.exec("BEGIN; " + time_limit(context.deadline, call_max));
}

void SystemTx::commit() { work_.exec("COMMIT"); }

bool SystemTx::try_roll_back() noexcept { return roll_back(work_); }

}  // namespace memseal::postgres

#pragma once
#include "adapters/postgres/internal/connection.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <pqxx/pqxx>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::postgres {

/// One transaction that sees the rows of one tenant and no others: the only way to the tables of
/// tenants.
/// Invariant: app.user_hash is set together with BEGIN, before any statement or savepoint, and ends
/// with the transaction, so a connection that returns to the pool carries no tenant.
/// Only the Pool commits or rolls back. Thread: the database thread that opened it.
class TenantTx {
 public:
  /// Begins the transaction in one round trip. `call_max` limits every statement of a context
  /// without a deadline.
  TenantTx(Connection& connection, const crypto::Tenant& owner,
           const runtime::RequestContext& context, std::chrono::milliseconds call_max,
           Access access = Access::read);

  /// Throws what libpqxx throws, and Outage{timeout} once the deadline has passed.
  pqxx::result exec(const Statement& statement, const pqxx::params& parameters = {});
  /// As exec(). When a row's key exists already, only this statement is undone: nullopt.
  std::optional<pqxx::result> exec_unless_duplicate(const Statement& statement,
                                                    const pqxx::params& parameters);
  /// From here on commit() rolls back instead.
  void end_by_rollback() noexcept { rolls_back_ = true; }
  /// Element type of a halfvec[] parameter.
  Oid halfvec_oid() const noexcept { return connection_.halfvec_oid(); }
  /// The tenant's 64 hex digits, as rows carry them.
  const std::string& user_hash() const noexcept { return user_hash_; }

 private:
  friend class Pool;
  void commit();
  bool try_roll_back() noexcept;  // false: the connection is unusable

  Connection& connection_;
  runtime::Deadline deadline_;
  std::string user_hash_;
  pqxx::nontransaction work_;
  bool broken_ = false;  // a statement failed
  bool rolls_back_ = false;
};

/// A transaction without a tenant. Every access to a tenant table fails with 42501.
class SystemTx {
 public:
  SystemTx(Connection& connection, const runtime::RequestContext& context,
           std::chrono::milliseconds call_max);
  pqxx::result exec(std::string_view sql) { return work_.exec(sql); }
  /// The transaction itself, for what reads the catalog by several statements.
  pqxx::transaction_base& transaction() noexcept { return work_; }

 private:
  friend class Pool;
  void commit();
  bool try_roll_back() noexcept;

  pqxx::nontransaction work_;
};

}  // namespace memseal::postgres

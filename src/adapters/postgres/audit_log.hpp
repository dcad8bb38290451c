#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/audit_log.hpp"
#include "pure/audit/checkpoint.hpp"

#include <memory>

namespace memseal::postgres {

/// Appends to app.audit as the role that serves, which can read no record back.
/// Writes one chain, whose end it keeps in memory; a failure whose outcome is unknown begins the
/// next chain, because the end of the old one is then not known. So does a row of somebody else in
/// its place; the next chain then begins with a record audit.conflict, which names the old one.
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgAuditLog final : public ports::AuditLog {
 public:
  /// REQUIRES: `pool` has one connection, so that its thread orders the records.
  PgAuditLog(Pool& pool, audit::Marks marks, crypto::SigningKey signer);

  asio::awaitable<void> append(runtime::RequestContext context,
                               std::vector<audit::Event> events) override;
  asio::awaitable<ports::Checkpointed> checkpoint(runtime::RequestContext context,
                                                  std::int64_t now_ms,
                                                  std::chrono::seconds every) override;

 private:
  struct Chain;
  Pool& pool_;
  const std::shared_ptr<Chain> chain_;  ///< shared with work that outlives its caller
};

}  // namespace memseal::postgres

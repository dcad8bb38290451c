#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/matrix_store.hpp"

namespace memseal::postgres {

/// Reads vectors and what filters look at from the tenant's own rows, for copies in memory, and
/// compares candidates as PgChunkSearch does. Each snapshot is one transaction under row-level
/// security, and every statement names its tenant too.
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgMatrixStore final : public ports::MatrixStore {
 public:
  explicit PgMatrixStore(Pool& pool) : pool_(pool) {}

  asio::awaitable<void> in_snapshot(runtime::RequestContext context, crypto::Tenant owner,
                                    std::function<void(ports::MatrixRows&)> work) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

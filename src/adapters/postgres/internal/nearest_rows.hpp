#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_search.hpp"

#include <vector>

namespace memseal::postgres {

/// ChunkSearch::nearest() inside a transaction; defined beside it.
std::vector<crypto::SealedCandidate> nearest_rows(TenantTx& tx, const ports::QueryVector& query,
                                                  std::size_t limit,
                                                  const ports::SearchFilter& filter);

}  // namespace memseal::postgres

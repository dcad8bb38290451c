#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "pure/crypto/sealer.hpp"

#include <cstddef>
#include <vector>

namespace memseal::postgres {

/// Inserts chunks of one tenant with binary array parameters, at most limits::insert_rows_max rows
/// a statement. Returns the number of new rows; a row whose id exists already stays as it is.
std::size_t insert_chunks(TenantTx& tx, const std::vector<const crypto::SealedChunk*>& chunks);

}  // namespace memseal::postgres

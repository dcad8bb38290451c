#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_store.hpp"

#include <vector>

namespace memseal::postgres {

/// See ports::ChunkStore::look_at_turns().
std::vector<ports::TurnsLook> look_at_stored_turns(TenantTx& tx,
                                                   const std::vector<ports::TurnsKey>& keys);

}  // namespace memseal::postgres

#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_store.hpp"

#include <vector>

namespace memseal::postgres {

/// See ports::ChunkStore::stored_vectors(). One statement, which reads only.
std::vector<std::vector<ports::Embedding>> read_stored_vectors(
    TenantTx& tx, const std::vector<ports::VectorsKey>& keys);

}  // namespace memseal::postgres

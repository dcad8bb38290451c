#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "pure/crypto/sealer.hpp"

#include <vector>

namespace memseal::postgres {

/// Writes blocks of terms, but for those whose first chunk has one already.
/// REQUIRES: the first chunks are stored.
void insert_terms(TenantTx& tx, const std::vector<const crypto::SealedTerms*>& terms);

}  // namespace memseal::postgres

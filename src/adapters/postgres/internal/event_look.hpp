#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_store.hpp"

#include <vector>

namespace memseal::postgres {

/// What the rows say of each event: erased, duplicate or superseded; nothing for an event that is
/// still to be stored. One statement, which reads only.
std::vector<ports::Look> look_at_events(TenantTx& tx, const std::vector<ports::EventKey>& events);

}  // namespace memseal::postgres

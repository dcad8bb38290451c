#pragma once
// Events that delete a document, or turns of a conversation.
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_store.hpp"

#include <cstdint>
#include <optional>

namespace memseal::postgres {

/// Deletes what `write` names, and leaves the tombstone. Returns how many chunks are gone; nothing
/// where the document was written after the event that is published again. `is_latest`: its place
/// in Kafka has shown that it was not.
/// REQUIRES: `write.deletion`; the ledger has the event.
std::optional<std::int64_t> apply_deletion(TenantTx& tx, const ports::EventWrite& write,
                                           bool is_latest);

}  // namespace memseal::postgres

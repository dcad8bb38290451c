#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_store.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace memseal::postgres {

/// Column error_code of a ledger row whose event was superseded; its state is `succeeded`.
inline constexpr std::string_view superseded_mark = "superseded";

/// What a batch of events changed.
struct StoreResult {
  std::vector<ports::Stored> answers;  ///< one per write, in their order
  std::size_t rows_stored = 0;
  std::size_t rows_colliding = 0;  ///< chunks of applied events whose id existed
};

/// Writes `writes` in their order inside `tx`. A run of writes that replaces no document twice
/// takes four statements, however many writes it has.
StoreResult store_events(TenantTx& tx, const std::vector<ports::EventWrite>& writes);

}  // namespace memseal::postgres

#pragma once
// Events that are published again: what has been written since they were new.
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "ports/chunk_store.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::postgres {

/// 31 December 9999. A producer sets the time of a record, and PostgreSQL refuses later ones.
inline constexpr std::int64_t time_ms_max = 253'402'214'400'000;

/// An event that replaces a document, published again. Refers to what its owner keeps.
struct Replay {
  std::string_view doc_id;
  const ports::SourcePlace* source = nullptr;       ///< where it lay first
  std::optional<std::int64_t> revision = {};        ///< empty: the order of arrival decides
  std::int64_t from_ms = 0;                         ///< when it was new; 0: unknown
};

enum class ReplayVerdict {
  unknown,   ///< the ledger does not know where the document's last event lay, or not in the
             ///< partition of this one: times decide
  latest,    ///< nothing newer was written
  outdated,  ///< an event that lies behind this one wrote the document
};

/// One verdict for each of `replays`. Their documents stay as they are until `tx` ends.
/// Of an event with a revision only an equal revision can be outdated, because the greater one
/// stays; but a deletion leaves no revision, so any can be outdated that it stands behind.
std::vector<ReplayVerdict> judge_replays(TenantTx& tx, const std::vector<Replay>& replays);

/// Places in a list of writes.
using Indices = std::vector<std::size_t>;
/// Where each event lay first, by its id.
using Places = std::map<std::string, ports::SourcePlace, std::less<>>;

/// Turns of a conversation add to their document. Every other event replaces it.
inline bool appends(const ports::EventWrite& write) {
  return write.origin == Origin::chat && !write.deletion;
}

/// Takes those out of `fresh` that are published again and whose document was written since, and
/// returns them. `latest` gets those after which nothing was written.
Indices take_outdated(TenantTx& tx, std::span<const ports::EventWrite> writes, const Places& places,
                      Indices& fresh, std::set<std::size_t>& latest);

}  // namespace memseal::postgres

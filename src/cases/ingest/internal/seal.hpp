#pragma once
#include "cases/ingest/internal/prepare.hpp"
#include "ports/chunk_store.hpp"

#include <functional>
#include <string>
#include <vector>

namespace memseal::ingest {

/// What the ledger and the document's row get of an event; no name, no chunks.
/// REQUIRES: `event` has a document.
ports::EventWrite write_head(const Prepared& event);

/// The MAC of each chunk's vector, see crypto::EmbedMac. Calls `make_way` now and then.
/// REQUIRES: `document` is no chat. Thread: any.
std::vector<Uuid> embed_macs(const crypto::TenantKey& key, const Document& document,
                             const std::string& model, std::size_t dimension,
                             const std::function<void()>& make_way);

/// The sealed rows of one event. Calls `make_way` now and then, because an event may have thousands
/// of chunks. REQUIRES: `event` has a document, and `embeddings` one vector a chunk.
/// Throws Failure. Thread: any.
ports::EventWrite seal_event(const PrepareDeps& deps, const crypto::Tenant& owner,
                             const crypto::TenantKey& key, const std::string& model,
                             const Prepared& event,
                             const std::vector<ports::Embedding>& embeddings,
                             const std::function<void()>& make_way = [] {});

}  // namespace memseal::ingest

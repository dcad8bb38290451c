#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/chunk_store.hpp"

namespace memseal::postgres {

/// Writes sealed chunks, documents and the exactly-once ledger into the tenant's own rows.
///
/// Origin::chat appends: chunks of many events live under one doc_id, and the document's revision
/// is the newest seen. Every other origin replaces: a revision at least as new as the stored one
/// deletes the document's chunks and writes its own; an older one is superseded.
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgChunkStore final : public ports::ChunkStore {
 public:
  explicit PgChunkStore(Pool& pool) : pool_(pool) {}

  asio::awaitable<std::vector<ports::Look>> look(runtime::RequestContext context,
                                                 crypto::Tenant owner,
                                                 std::vector<ports::EventKey> events) override;
  asio::awaitable<std::vector<std::vector<ports::Embedding>>> stored_vectors(
      runtime::RequestContext context, crypto::Tenant owner,
      std::vector<ports::VectorsKey> keys) override;
  asio::awaitable<std::vector<ports::TurnsLook>> look_at_turns(
      runtime::RequestContext context, crypto::Tenant owner,
      std::vector<ports::TurnsKey> keys) override;
  asio::awaitable<std::vector<ports::Stored>> store(runtime::RequestContext context,
                                                    crypto::Tenant owner,
                                                    std::vector<ports::EventWrite> writes) override;
  asio::awaitable<void> rehearse(runtime::RequestContext context, crypto::Tenant owner,
                                 std::vector<ports::EventWrite> writes) override;
  asio::awaitable<void> store_failure(runtime::RequestContext context, crypto::Tenant owner,
                                      Uuid event_id, Origin origin, std::optional<DocId> doc_id,
                                      Errc code, std::optional<ports::SourcePlace> source) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

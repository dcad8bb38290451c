#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/stored_memory.hpp"

namespace memseal::postgres {

/// Lists documents, conversations and their chunks, each under the tenant's own context.
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgStoredMemory final : public ports::StoredMemory {
 public:
  explicit PgStoredMemory(Pool& pool) : pool_(pool) {}

  asio::awaitable<std::vector<ports::ListedMemory>> list(runtime::RequestContext context,
                                                         crypto::Tenant owner,
                                                         ports::MemoryKind kind,
                                                         std::string after,
                                                         std::size_t limit) override;
  asio::awaitable<std::optional<ports::ListedMemory>> find(runtime::RequestContext context,
                                                           crypto::Tenant owner,
                                                           ports::MemoryKind kind,
                                                           DocId id) override;
  asio::awaitable<std::vector<ports::ListedChunk>> chunks(runtime::RequestContext context,
                                                          crypto::Tenant owner,
                                                          ports::ChunkRange range) override;
  asio::awaitable<bool> is_known(runtime::RequestContext context, crypto::Tenant owner,
                                 ports::MemoryKind kind, DocId id) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

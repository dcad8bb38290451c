#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/operations.hpp"

namespace memseal::postgres {

/// Reads and announces operations in the ledger of events (app.ingest_events).
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgOperations final : public ports::Operations {
 public:
  explicit PgOperations(Pool& pool) : pool_(pool) {}

  asio::awaitable<bool> announce(runtime::RequestContext context, crypto::Tenant owner,
                                 Uuid event_id, Origin origin, DocId doc_id,
                                 std::optional<Uuid> request) override;
  asio::awaitable<bool> announce_deletion(runtime::RequestContext context, crypto::Tenant owner,
                                          Uuid event_id, Origin origin, DocId doc_id,
                                          std::optional<Uuid> request) override;
  asio::awaitable<std::optional<ports::Operation>> find(runtime::RequestContext context,
                                                        crypto::Tenant owner,
                                                        Uuid event_id) override;

 private:
  asio::awaitable<bool> enqueue(runtime::RequestContext context, crypto::Tenant owner,
                                Uuid event_id, Origin origin, DocId doc_id,
                                std::optional<Uuid> request, std::optional<int> deleted);

  Pool& pool_;
};

}  // namespace memseal::postgres

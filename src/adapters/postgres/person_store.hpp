#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/person_store.hpp"

namespace memseal::postgres {

/// Counts and erases what a tenant has, under the tenant's own context.
/// Thread: any executor. Lifetime: `pool` outlives it.
class PgPersonStore final : public ports::PersonStore {
 public:
  explicit PgPersonStore(Pool& pool) : pool_(pool) {}

  asio::awaitable<ports::PersonState> look(runtime::RequestContext context,
                                           crypto::Tenant owner) override;
  asio::awaitable<ports::Erasure> bury(runtime::RequestContext context, crypto::Tenant owner,
                                       std::size_t rows_max) override;
  asio::awaitable<bool> delete_rows(runtime::RequestContext context, crypto::Tenant owner,
                                    std::size_t rows_max) override;
  asio::awaitable<void> finish(runtime::RequestContext context, crypto::Tenant owner) override;
  asio::awaitable<std::vector<UserHash>> take_unfinished(runtime::RequestContext context,
                                                         std::chrono::seconds silence,
                                                         std::size_t count) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

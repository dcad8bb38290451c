#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/chunk_search.hpp"

namespace memseal::postgres {

/// Exact search of one tenant's chunks: a scan of the tenant's b-tree, sorted by cosine distance.
/// The statement leaves the planner no other plan, so recall is 1.0 and no other tenant's rows are
/// read. Thread: any executor. Lifetime: `pool` outlives it.
class PgChunkSearch final : public ports::ChunkSearch {
 public:
  explicit PgChunkSearch(Pool& pool) : pool_(pool) {}

  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext context, crypto::Tenant owner, ports::QueryVector query,
      std::size_t limit, ports::SearchFilter filter) override;
  asio::awaitable<std::vector<ports::Neighbour>> neighbours(runtime::RequestContext context,
                                                            crypto::Tenant owner,
                                                            std::vector<Uuid> chunks,
                                                            std::size_t each_side) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

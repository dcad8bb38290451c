#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/chunk_search.hpp"

namespace memseal::postgres {

/// Exact search of one tenant's chunks: the tenant's b-tree and a sort by cosine distance. The
/// plan is fixed by the statement, so recall is 1.0 and no other tenant's rows are ever walked.
/// Any executor; `pool` outlives it.
class PgChunkSearch final : public ports::ChunkSearch {
 public:
  explicit PgChunkSearch(Pool& pool) : pool_(pool) {}

  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext context, crypto::Tenant owner, ports::QueryVector query,
      std::size_t limit, ports::SearchFilter filter) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

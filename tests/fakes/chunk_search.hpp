#pragma once
#include "fakes/fault_script.hpp"
#include "ports/chunk_search.hpp"

#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// Finds each tenant's rows in the order in which a test added them.
class ChunkSearch final : public ports::ChunkSearch {
 public:
  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext, crypto::Tenant owner, ports::QueryVector, std::size_t limit,
      ports::SearchFilter filter) override {
    last_limit = limit;
    last_filter = std::move(filter);
    co_await faults.play();
    auto found = rows[owner];
    if (found.size() > limit) found.resize(limit);
    co_return found;
  }

  FaultScript faults;
  std::map<crypto::Tenant, std::vector<crypto::SealedCandidate>> rows;
  std::size_t last_limit = 0;
  ports::SearchFilter last_filter;
};

}  // namespace memseal::fakes

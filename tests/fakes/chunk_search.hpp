#pragma once
#include "fakes/fault_script.hpp"
#include "ports/chunk_search.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace memseal::fakes {

/// Finds each tenant's rows in the order in which a test added them. Neighbours stand beside each
/// other in that order.
class ChunkSearch final : public ports::ChunkSearch {
 public:
  asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext, crypto::Tenant owner, ports::QueryVector, std::size_t limit,
      ports::SearchFilter filter) override {
    last_limit = limit;
    last_filter = std::move(filter);
    ++searches;
    co_await faults.play();
    std::vector<crypto::SealedCandidate> found;
    for (const auto& row : rows[owner]) {
      if (found.size() == limit) break;
      if (!is_wanted(row)) continue;
      found.push_back(row);
      if (last_filter.without_texts) found.back().text_cipher.clear();
    }
    co_return found;
  }
  asio::awaitable<std::vector<ports::Neighbour>> neighbours(runtime::RequestContext,
                                                            crypto::Tenant owner,
                                                            std::vector<Uuid> chunks,
                                                            std::size_t each_side) override {
    co_await faults.play();
    std::vector<ports::Neighbour> found;
    const auto& all = rows[owner];
    for (std::size_t at = 0; at < all.size(); ++at)
      for (std::size_t other = 0; other < all.size(); ++other) {
        const auto apart = at > other ? at - other : other - at;
        if (apart > 0 && apart <= each_side &&
            std::find(chunks.begin(), chunks.end(), all[at].id) != chunks.end())
          found.push_back({all[at].id, other < at, all[other]});
      }
    co_return found;
  }

  FaultScript faults;
  std::map<crypto::Tenant, std::vector<crypto::SealedCandidate>> rows;
  std::size_t last_limit = 0;
  ports::SearchFilter last_filter;
  int searches = 0;  ///< calls of nearest()

 private:
  /// Of the filter only ids and place are looked at.
  bool is_wanted(const crypto::SealedCandidate& row) const {
    const auto& ids = last_filter.ids;
    if (!ids.empty() && std::find(ids.begin(), ids.end(), row.id) == ids.end()) return false;
    return !last_filter.after || std::pair(row.distance, row.id) >
                                     std::pair(last_filter.after->distance, last_filter.after->id);
  }
};

}  // namespace memseal::fakes

#pragma once
#include "fakes/fault_script.hpp"
#include "ports/chunk_search.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
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
  /// The rows of `words`, as far as they are asked for, best first; in pages by `left` alone.
  asio::awaitable<std::optional<ports::HybridFound>> hybrid(runtime::RequestContext,
                                                            crypto::Tenant owner,
                                                            ports::HybridQuestion question,
                                                            std::size_t limit,
                                                            ports::SearchFilter filter) override {
    last_limit = limit;
    last_filter = std::move(filter);
    last_hybrid = question;
    ++hybrid_searches;
    co_await faults.play();
    ports::HybridFound found;
    for (const auto& row : rows[owner]) {
      if (found.rows.size() == limit) break;
      const auto score = word_scores.find(row.id);
      found.rows.push_back(row);
      found.rows.back().hybrid = crypto::HybridScore{
          score == word_scores.end() ? 0 : score->second, 1 - row.distance};
    }
    std::stable_sort(found.rows.begin(), found.rows.end(), [](const auto& a, const auto& b) {
      return a.hybrid->lexical > b.hybrid->lexical;
    });
    if (!found.rows.empty()) found.ahead = {found.rows.front().id};
    found.more = true;
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
  std::map<Uuid, float> word_scores;  ///< of hybrid(); others have 0
  std::optional<ports::HybridQuestion> last_hybrid;
  int hybrid_searches = 0;

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

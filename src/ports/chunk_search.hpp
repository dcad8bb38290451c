#pragma once
#include "base/ids.hpp"
#include "ports/embedder.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// What narrows a search besides the tenant. Empty means no restriction.
struct SearchFilter {
  std::optional<Origin> origin;
  std::vector<std::string> tags;  ///< all of them must be present
  std::vector<std::string> doc_ids;
};

/// The read side of the database.
class ChunkSearch {
 public:
  virtual ~ChunkSearch() = default;
  /// The tenant's `limit` chunks nearest to `query` by cosine distance, nearest first: min(limit,
  /// number of matching chunks) rows, never fewer. Throws Outage{unavailable | timeout}.
  virtual asio::awaitable<std::vector<crypto::SealedCandidate>> nearest(
      runtime::RequestContext context, crypto::Tenant owner, QueryVector query, std::size_t limit,
      SearchFilter filter) = 0;
};

}  // namespace memseal::ports

#pragma once
#include "base/ids.hpp"
#include "ports/embedder.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// A place in the order of nearest(): by distance, and by id among equal distances.
struct SearchPlace {
  float distance = 0;
  Uuid id;
};

/// What narrows a search besides the tenant. Empty means no restriction.
struct SearchFilter {
  std::vector<Origin> origins;    ///< one of them
  std::vector<std::string> tags;  ///< all of them must be present
  std::vector<std::string> doc_ids;
  std::vector<std::string> tags_any = {};    ///< one of them must be present
  std::vector<std::string> tags_none = {};   ///< none of them may be present
  std::vector<std::string> exclude = {};     ///< none of these documents
  std::optional<std::int64_t> after_ms = {};   ///< created later, Unix ms
  std::optional<std::int64_t> before_ms = {};  ///< created earlier, Unix ms
  std::vector<Uuid> ids = {};                ///< one of these chunks
  std::optional<SearchPlace> after = {};     ///< chunks behind this place in the order
  /// Leaves `text_cipher` empty, for a caller that looks at what is sealed beside the texts.
  bool without_texts = false;
};

/// A question that is asked by its meaning and by its words.
struct HybridQuestion {
  QueryVector vector;
  /// Its words, each in all its forms: see text::asked_words_of(). Not empty.
  std::vector<std::vector<std::string>> words;
  /// Chunks that the answer begins with, in this order: candidates of the page before.
  std::vector<Uuid> left = {};
  /// Chunks behind SearchFilter::after that the pages before have shown, or have left over.
  std::vector<Uuid> ahead = {};
};

/// The candidates of a HybridQuestion.
struct HybridFound {
  std::vector<crypto::SealedCandidate> rows;  ///< best first
  std::optional<SearchPlace> last = {};  ///< all chunks up to here have been candidates
  std::vector<Uuid> ahead = {};          ///< and these, limits::ahead_max at most, behind it
  bool more = false;                     ///< there are other chunks behind `last`
};

/// A chunk beside another one of its document or conversation.
struct Neighbour {
  Uuid of;              ///< the other one
  bool before = false;  ///< stands before it, otherwise behind it
  crypto::SealedCandidate chunk;
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
  /// nearest() of each of several questions, in their order. Throws as nearest().
  virtual asio::awaitable<std::vector<std::vector<crypto::SealedCandidate>>> nearest_of_each(
      runtime::RequestContext context, crypto::Tenant owner, std::vector<QueryVector> queries,
      std::size_t limit, SearchFilter filter) {
    std::vector<std::vector<crypto::SealedCandidate>> all;
    for (auto& query : queries) {
      auto found = co_await nearest(context, owner, std::move(query), limit, filter);
      all.push_back(std::move(found));
    }
    co_return all;
  }
  /// The `limit` candidates whose vectors and words together answer best, in pages. The database's
  /// nearest chunks and those with the best words are fused (lexical::fused()); so these are
  /// min(limit, matching chunks) rows too, and pages together hold every matching chunk once.
  /// Nothing where words are not compared: ask nearest(). Throws as nearest().
  virtual asio::awaitable<std::optional<HybridFound>> hybrid(runtime::RequestContext,
                                                             crypto::Tenant, HybridQuestion,
                                                             std::size_t /*limit*/, SearchFilter) {
    co_return std::nullopt;
  }
  /// Up to `each_side` chunks before and behind each of `chunks` in its document, or among the
  /// turns of its conversation; in their order. Throws as nearest().
  virtual asio::awaitable<std::vector<Neighbour>> neighbours(runtime::RequestContext context,
                                                             crypto::Tenant owner,
                                                             std::vector<Uuid> chunks,
                                                             std::size_t each_side) = 0;
};

}  // namespace memseal::ports

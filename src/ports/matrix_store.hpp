#pragma once
#include "base/ids.hpp"
#include "ports/chunk_search.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// Which state of a tenant's chunks a snapshot shows: two that are equal show the same chunks.
struct MatrixVersion {
  std::int64_t count = 0;       ///< moves with every change of the tenant's chunks
  std::int64_t written_by = 0;  ///< transaction that last wrote the tenant's row; also moves where
                                ///< an older release writes, which does not know `count`
  friend bool operator==(const MatrixVersion&, const MatrixVersion&) = default;
};

/// What a snapshot knows of a tenant.
struct TenantState {
  MatrixVersion version;
  std::int64_t chunks = 0;  ///< rows, with vectors or without
  bool erased = false;
  std::int64_t now_us = 0;  ///< the database's clock, as MatrixRow counts time
};

/// A document or conversation. Its stamp moves with every change of its chunks.
struct DocumentStamp {
  std::string id;
  std::int64_t written_by = 0;
  std::int64_t chunks = 0;  ///< about; for batches only
};

/// What a scan needs of one chunk. Borrowed for one call.
struct MatrixRow {
  Uuid id;
  std::string_view doc_id;
  Origin origin = Origin::upload;
  /// Microseconds since 2000-01-01 UTC.
  std::int64_t created_us = 0, expires_us = never_us;
  std::span<const std::string> tags = {};
  std::span<const std::uint16_t> vector = {};  ///< halves as they are stored; empty: none

  static constexpr std::int64_t never_us = std::numeric_limits<std::int64_t>::max();
};

/// A block of terms, sealed. Borrowed for one call.
struct TermBlockRow {
  std::string_view doc_id;
  Uuid first_chunk;
  ByteView cipher;
};

/// Which of a tenant's documents are read, and which part of their chunks.
struct MatrixBatch {
  std::vector<std::string> doc_ids;
  Uuid first, last;  ///< ids of chunks, both included
};

/// The candidates of one question, to be compared by the database itself.
struct MatrixChoice {
  std::vector<Uuid> ids;
  std::size_t limit = 0;
  std::optional<SearchPlace> after = {};
  bool without_texts = false;
};

/// What one snapshot of the database shows of one tenant. Every method blocks, reads only, and
/// throws Failure. Thread: the one that calls the work below.
class MatrixRows {
 public:
  virtual ~MatrixRows() = default;
  /// Empty: the tenant has no row, and so no chunks.
  virtual std::optional<TenantState> state() = 0;
  virtual std::vector<DocumentStamp> documents() = 0;
  /// Calls `take` once a chunk, in no order.
  virtual void read(const MatrixBatch& batch,
                    const std::function<void(const MatrixRow&)>& take) = 0;
  /// Calls `take` once a block of terms of these documents; of all documents where `doc_ids` is
  /// empty.
  virtual void read_terms(const std::vector<std::string>& doc_ids,
                          const std::function<void(const TermBlockRow&)>& take) = 0;
  /// As ChunkSearch::nearest(): compared by the database.
  virtual std::vector<crypto::SealedCandidate> nearest(const QueryVector& query, std::size_t limit,
                                                       const SearchFilter& filter) = 0;
  /// The `limit` nearest of those of `choice.ids` that are this tenant's and not expired, in the
  /// order of ChunkSearch::nearest(), with its distances.
  virtual std::vector<crypto::SealedCandidate> fetch(const QueryVector& query,
                                                     const MatrixChoice& choice) = 0;
};

/// The read side of the database for who keeps vectors in memory.
class MatrixStore {
 public:
  virtual ~MatrixStore() = default;
  /// Runs `work` over one snapshot, on a thread that may block.
  /// REQUIRES: `work` owns what it touches, because the caller may stop waiting before it ends.
  /// Throws Outage, and what `work` throws.
  virtual asio::awaitable<void> in_snapshot(runtime::RequestContext context, crypto::Tenant owner,
                                            std::function<void(MatrixRows&)> work) = 0;
};

}  // namespace memseal::ports

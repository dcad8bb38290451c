#pragma once
#include "base/ids.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/crypto/tenant.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// All that one event changes, sealed and ready: written in one transaction with its ledger row.
struct EventWrite {
  Uuid event_id;  ///< key of the exactly-once ledger
  Origin origin;
  DocId doc_id;
  std::int64_t revision = 0;   ///< newer replaces older; older arriving late is skipped
  Bytes document_name_cipher;  ///< SB1, field document_name; may be empty
  std::vector<crypto::SealedChunk> chunks;
};

/// What became of one EventWrite.
enum class Stored {
  applied,     ///< rows written
  duplicate,   ///< the ledger had it already: nothing changed
  superseded,  ///< a newer revision of the document is stored: nothing changed
  erased,      ///< the tenant is erased: nothing may be written
};

/// The write side of the database. Throws Outage{unavailable} when the database is unavailable.
class ChunkStore {
 public:
  virtual ~ChunkStore() = default;
  /// One transaction for all `writes` of one tenant: ledger, documents, chunks; in their order.
  /// Each event takes effect exactly once however often it is given. One answer per write.
  virtual asio::awaitable<std::vector<Stored>> store(runtime::RequestContext context,
                                                     crypto::Tenant owner,
                                                     std::vector<EventWrite> writes) = 0;
  /// Does what store() does, then rolls back. Throws what store() would throw. A success shows that
  /// rows can be written, so that an event whose store() fails may be at fault.
  virtual asio::awaitable<void> rehearse(runtime::RequestContext context, crypto::Tenant owner,
                                         std::vector<EventWrite> writes) = 0;
  /// Records that an event was refused for good, so that its operation says so. Idempotent; never
  /// overwrites a success. `doc_id` is empty where the event could not be read that far.
  virtual asio::awaitable<void> store_failure(runtime::RequestContext context, crypto::Tenant owner,
                                              Uuid event_id, Origin origin,
                                              std::optional<DocId> doc_id, Errc code) = 0;
};

}  // namespace memseal::ports

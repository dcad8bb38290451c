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
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// Where the record of an event lies in Kafka.
struct SourcePlace {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;

  friend bool operator==(const SourcePlace&, const SourcePlace&) = default;
};

/// How an upload that has no revision stands to the other versions of its document: the one that
/// arrives later stays, whatever revision is stored.
struct ByArrival {
  /// A document that was written after this time (Unix ms) stays, because the event is an old one
  /// that is sent again. 0: no such limit. Counts only where EventKey::source cannot decide.
  std::int64_t replayed_from_ms = 0;
  /// A later upload of the document. The event is superseded if the ledger has that one.
  std::optional<Uuid> superseded_by = {};
};

/// What decides whether an event still changes anything.
struct EventKey {
  Uuid event_id;
  Origin origin;
  DocId doc_id;
  std::int64_t revision = 0;
  std::optional<ByArrival> by_arrival = {};
  std::int64_t record_ms = 0;  ///< time of the record that carries the event; 0: unknown
  /// Where the event lay when it was first published.
  std::optional<SourcePlace> source = {};
  bool replayed = false;  ///< an operator has published the event again, see EventWrite::replayed
  bool deletes = false;   ///< see EventWrite::deletion
};

/// What an event deletes: of Origin::chat the turns of a conversation, else the document.
struct Deletion {
  /// Only turns that were said earlier, Unix ms. Empty: all.
  std::optional<std::int64_t> before_ms = {};
};

/// What is asked about a conversation to which an event adds turns.
struct TurnsKey {
  DocId conversation;
  std::vector<Uuid> chunks;              ///< the first chunk of each turn of the event
  std::optional<std::int64_t> until_ms;  ///< Unix ms: later turns are not the ones before the event
};

/// What is stored of that conversation.
struct TurnsLook {
  std::vector<bool> stored;                     ///< one a chunk of the key
  std::vector<crypto::SealedCandidate> latest;  ///< the last turns_looked_at chunks, oldest first;
                                                ///< for the first key of a conversation alone,
                                                ///< because the others follow that one
};
inline constexpr std::size_t turns_looked_at = 2;

/// All that one event changes, sealed and ready: written in one transaction with its ledger row.
struct EventWrite {
  Uuid event_id;  ///< key of the exactly-once ledger
  Origin origin;
  DocId doc_id;
  /// Newer replaces older, and older that arrives late is skipped.
  std::int64_t revision = 0;
  /// The event has no revision. `revision` is then that of a document that is new.
  std::optional<ByArrival> by_arrival = {};
  /// Where the event lay when it was first published. The ledger keeps the first place it gets.
  std::optional<SourcePlace> source = {};
  /// An operator has published the event again. It leaves the text of an event that lies behind
  /// `source`, unless its own revision is greater. So does an event of which the ledger knows an
  /// earlier place.
  bool replayed = false;
  Bytes document_name_cipher;  ///< SB1, field document_name; may be empty
  std::vector<crypto::SealedChunk> chunks;
  /// The terms of `chunks`; each block goes with its first chunk. May be empty.
  std::vector<crypto::SealedTerms> terms = {};
  /// The event is expected to be superseded and therefore has no chunks. It is written only if that
  /// is so when the transaction runs; the answer is otherwise `duplicate`, `erased` or `current`.
  bool expect_superseded = false;
  /// The event deletes, so that it has no chunks. A document that is deleted leaves a tombstone,
  /// which the same events replace as would replace the document. A conversation that has no turn
  /// left leaves one that keeps out only older events that are published again.
  std::optional<Deletion> deletion = {};
};

/// What became of one EventWrite.
enum class Stored {
  applied,     ///< rows written
  duplicate,   ///< the ledger had it already: nothing changed
  sent_again,  ///< of look(): a duplicate whose record is younger than the ledger's row
  superseded,  ///< a newer version of the document is stored: nothing changed
  erased,      ///< the tenant is erased: nothing may be written
  current,     ///< not superseded, against EventWrite::expect_superseded: nothing changed
};

/// What look() says of an event.
struct Look {
  std::optional<Stored> answer = {};  ///< of store(); empty: it would apply the event
  bool replaces = false;  ///< a document of this id is stored, so some vectors of it may stay
};

/// A document of which vectors may stay.
struct VectorsKey {
  DocId doc_id;
  std::vector<Uuid> macs;  ///< crypto::EmbedMac of each chunk that it is to have
};

/// The write side of the database. Throws Outage{unavailable} when the database is unavailable.
class ChunkStore {
 public:
  virtual ~ChunkStore() = default;
  /// What store() would answer now, and what would be replaced. One answer per event. Reads only.
  /// NOTE: store() decides, because an answer may be out of date when it arrives. An event that is
  /// a duplicate stays one.
  virtual asio::awaitable<std::vector<Look>> look(runtime::RequestContext context,
                                                  crypto::Tenant owner,
                                                  std::vector<EventKey> events) = 0;
  /// The vectors that are stored of documents. One answer per key, with one vector per MAC: empty
  /// where no chunk of the document has that MAC. Reads only.
  /// NOTE: a vector stays right when its row is gone, because its MAC says what it is made of.
  virtual asio::awaitable<std::vector<std::vector<Embedding>>> stored_vectors(
      runtime::RequestContext context, crypto::Tenant owner, std::vector<VectorsKey> keys) = 0;
  /// What is stored of conversations. One answer per key. Reads only.
  virtual asio::awaitable<std::vector<TurnsLook>> look_at_turns(runtime::RequestContext context,
                                                                crypto::Tenant owner,
                                                                std::vector<TurnsKey> keys) = 0;
  /// One transaction for all `writes` of one tenant: ledger, documents, chunks; in their order.
  /// Each event takes effect exactly once however often it is given. One answer per write.
  /// Writes with `expect_superseded` come after all others.
  virtual asio::awaitable<std::vector<Stored>> store(runtime::RequestContext context,
                                                     crypto::Tenant owner,
                                                     std::vector<EventWrite> writes) = 0;
  /// Does what store() does, then rolls back. Throws what store() would throw. A success shows that
  /// rows can be written, so that an event whose store() fails may be at fault.
  virtual asio::awaitable<void> rehearse(runtime::RequestContext context, crypto::Tenant owner,
                                         std::vector<EventWrite> writes) = 0;
  /// Records that an event was refused for good, so that its operation says so. Idempotent; never
  /// overwrites a success. `doc_id` is empty where the event could not be read that far. `source`:
  /// where the event lay first.
  virtual asio::awaitable<void> store_failure(runtime::RequestContext context, crypto::Tenant owner,
                                              Uuid event_id, Origin origin,
                                              std::optional<DocId> doc_id, Errc code,
                                              std::optional<SourcePlace> source) = 0;
};

}  // namespace memseal::ports

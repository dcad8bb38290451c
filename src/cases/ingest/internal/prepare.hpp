#pragma once
// The part of ingest that only computes: a record becomes a document cut into chunks, or a fault.
#include "base/place.hpp"
#include "cases/ingest/internal/conversation.hpp"
#include "cases/ingest/metrics.hpp"
#include "cases/ingest/worker.hpp"
#include "pure/producers/gate.hpp"
#include "pure/wire/event.hpp"

#include <optional>

namespace memseal::ingest {

/// One event, ready to embed and seal.
struct Document {
  Origin origin;
  DocId doc_id;
  std::int64_t revision = 0;              ///< decides which of two versions stays
  std::optional<ports::ByArrival> by_arrival = {};  ///< no revision was given
  std::int64_t chunk_revision = 0;        ///< part of the chunks' ids, except for a chat
  std::string name;                       ///< sealed beside the document; may be empty
  std::string meta_json;                  ///< sealed beside each chunk; may be empty
  std::vector<std::string> tags;
  std::vector<text::Chunk> chunks;
  std::vector<Place> places = {};         ///< one a chunk where the document has any, else none
  // Of a chat; empty for any other document.
  std::vector<TurnPiece> pieces = {};     ///< one a chunk
  std::shared_ptr<const Conversation> conversation = {};
  std::vector<SaidBefore> latest = {};    ///< said before the event; see StoredTurns
  std::optional<ports::Deletion> deletion = {};  ///< the event deletes; it has no chunks
  /// The event, where its text lies in a stored file that was not read yet; then it has no chunks.
  std::shared_ptr<const wire::UploadEvent> awaits_text = {};

  /// What the embedder reads of a chunk.
  const std::string& embedded_text(std::size_t chunk) const {
    return pieces.empty() ? chunks[chunk].text : pieces[chunk].embedded_text;
  }
  /// The JSON that is sealed beside a chunk; may be empty. Made again by each call.
  std::string meta_of(std::size_t chunk) const;
  /// About its bytes.
  std::size_t meta_bytes(std::size_t chunk) const;
  /// The id of a chunk.
  Uuid chunk_id(const crypto::IdDeriver& ids, const crypto::Tenant& owner, std::size_t at) const;
};

/// What is known of a record after reading it.
struct Prepared {
  std::optional<crypto::Tenant> tenant;   ///< empty: unknown, or claimed without proof
  std::optional<Origin> origin;           ///< empty where the record was not read that far
  Uuid event_id;                          ///< of the event, or of the record where unreadable
  bool identified = false;                ///< event_id is the one its producer knows
  bool ignored = false;                   ///< a tombstone, which is no event
  std::optional<producers::Verdict> verdict = {};  ///< empty: signatures are not looked at
  std::string id, source;                 ///< as the producer named it; empty where unreadable
  std::optional<Error> fault;             ///< permanent; then there is no document
  wire::Adapted adapted = {};
  /// Where the event lay when it was first published; empty: a replay does not say where.
  std::optional<ports::SourcePlace> first_place;
  bool replayed = false;                  ///< an operator has published it again
  std::shared_ptr<const Document> document;
};

/// What preparing reads; what it refers to outlives the pool's threads.
struct PrepareDeps {
  const text::WordPiece& tokenizer;
  const crypto::TenantKeyer& keyer;
  const crypto::IdDeriver& ids;
  const producers::Gate* gate;  ///< null: signatures are not looked at
  std::shared_ptr<const Options> options;
  std::function<void()> make_way = [] {};  ///< WorkerDeps::make_way
};

/// The same chat as it is after a look at what is stored of its conversation. Any thread.
std::shared_ptr<const Prepared> recalled(const PrepareDeps& deps, const Prepared& chat,
                                         StoredTurns known);

/// The same upload with the text of its file, or with a fault. Any thread.
/// REQUIRES: Document::awaits_text.
std::shared_ptr<const Prepared> completed(const PrepareDeps& deps, const Prepared& upload,
                                          ports::SourceText text);

/// Any thread. `now_ms`: Unix time.
Prepared prepare(const PrepareDeps& deps, const ports::Record& record, std::int64_t now_ms);

}  // namespace memseal::ingest

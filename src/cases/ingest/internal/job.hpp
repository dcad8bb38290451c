#pragma once
#include "cases/ingest/internal/prepare.hpp"
#include "ports/chunk_store.hpp"
#include "runtime/tracer.hpp"

#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace memseal::ingest {

// Who refused an event, as the headers of its dead letter say.
inline constexpr std::string_view refused_by_reading = "read", refused_by_processing = "process";

/// Why an event is given up.
struct Refusal {
  Error why;
  std::string_view stage;  ///< one of the two above
  int attempts = 1;
};

/// Where a job waits.
enum class Place {
  busy,       ///< nowhere: a coroutine works on it
  following,  ///< for its leader
  chained,    ///< embedded, for an earlier job of its document
  awaiting,   ///< for the text of its file
  queued,     ///< for the embedder
  ready,      ///< for the database
  refused,    ///< for its dead letter
};

/// One record on its way through the stages. Shared pointers: a stage on the pool owns what it
/// reads, because the wait for it may be cut short.
struct Job {
  std::shared_ptr<ports::Record> record;
  std::uint64_t generation = 0;  ///< of the batch that the record came in
  std::uint64_t number = 0;      ///< counts the jobs in the order in which they were taken
  std::shared_ptr<const Prepared> prepared;
  /// One vector a chunk, empty where the chunk is not embedded yet.
  std::shared_ptr<std::vector<ports::Embedding>> embeddings;
  std::shared_ptr<const ports::EventWrite> sealed;
  /// Not embedded, because the database or a newer upload in the batch seems to supersede it.
  bool seems_superseded = false;
  /// A later upload of the document, see ports::ByArrival.
  std::optional<Uuid> superseded_by = {};
  /// A version of its document is stored, of which some vectors may stay.
  bool replaces = false;
  /// The ledger has the event, and its row is younger than the record: Kafka repeats the record.
  bool delivered_again = false;
  std::optional<Refusal> refusal;  ///< to be dead-lettered, unless another try helps
  std::optional<Outcome> outcome;  ///< set once, when the record has taken effect
  Errc error = Errc::internal;     ///< why, when dead-lettered
  std::chrono::steady_clock::time_point taken;
  /// From the taking of the record until it has taken effect; null: it is not traced.
  std::unique_ptr<runtime::Span> span = {};

  Place place = Place::busy;
  std::optional<std::size_t> rank;  ///< in the queue for the embedder; set with the first admission
  std::size_t chunks_left = 0;      ///< without a vector
  std::size_t chunks_in_hand = 0;   ///< of these, being embedded now
  bool suspected = false;           ///< some are in suspects_; the others left the queue
  Job* leader = nullptr;            ///< is settled before this one is stored
  std::vector<Job*> followers;      ///< have this one as leader
  std::size_t referenced_bytes = 0; ///< of the text of its file, held until the job leaves
  std::shared_ptr<const Prepared> unread = {};  ///< `prepared` as it was before that text
  std::size_t store_bytes = 0;      ///< that storing it takes, about; known when it is ready
  std::list<Job>::iterator self;    ///< in the worker's list
  bool leaving = false;             ///< being dropped

  bool goes_on() const noexcept { return !refusal && !outcome; }
};

using Jobs = std::vector<Job*>;

}  // namespace memseal::ingest

#pragma once
#include "base/limits.hpp"
#include "cases/ingest/metrics.hpp"
#include "cases/ingest/settings.hpp"
#include "ports/chunk_store.hpp"
#include "ports/embedder.hpp"
#include "ports/event_sink.hpp"
#include "ports/event_source.hpp"
#include "ports/tenant_keys.hpp"
#include "ports/text_source.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/policy/brake.hpp"
#include "pure/policy/pace.hpp"
#include "pure/policy/token_bucket.hpp"
#include "pure/producers/gate.hpp"
#include "pure/text/chunker.hpp"
#include "runtime/tracer.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace memseal::ingest {

namespace asio = boost::asio;

/// What a Worker works with. Everything outlives the worker, and what the pool's work reads
/// (tokenizer, keyer, ids, gate) outlives the pool's threads: join the pool first.
struct WorkerDeps {
  ports::EventSource& source;
  ports::EventSink& sink;
  ports::ChunkStore& store;
  ports::TenantKeys& keys;
  ports::Embedder& embedder;
  const text::WordPiece& tokenizer;
  const crypto::TenantKeyer& keyer;
  const crypto::IdDeriver& ids;
  /// Seals dead letters whose user is unknown. Asked for each, because the key may be rotated.
  std::function<crypto::TenantKey()> dead_letter_key;
  asio::thread_pool& cpu;
  IngestMetrics& metrics;
  /// Judges who may write an event; null: signatures are not looked at.
  const producers::Gate* gate = nullptr;
  /// Called on `cpu` between two events that are read or sealed: runs what is more urgent there.
  std::function<void()> make_way = [] {};
  /// Texts of the files that uploads refer to; null: there are none, and such uploads are refused.
  ports::TextSource* texts = nullptr;
  runtime::WallClock now_ms = runtime::unix_ms;  ///< judges the times of events
  runtime::WallClock broker_now_ms = runtime::unix_ms;  ///< the time that brokers give records now
  runtime::Tracer* tracer = nullptr;  ///< of what becomes of records; null: nothing is traced
};

struct Options {
  text::ChunkRules rules = {};
  TopicClasses topic_classes = {};  ///< of topics that are not named: TopicClass::upload
  /// Tokens of one tenant's events that have their turn by their class. What is beyond them waits
  /// like a backfill. Empty: no limit.
  std::optional<policy::BucketRules> tenant_budget = {};
  bool status_events = Settings{}.status_events;  ///< publish what became of each event
  std::size_t chunks_per_event_max = 8'192;  ///< of what an event itself holds
  bool terms = false;  ///< also store, sealed, the terms of each chunk, for search by words
  std::size_t embed_chunks_max = 256;     ///< chunks of one embedder call
  policy::PaceRules pace = {};            ///< tokens of one embedder call
  std::size_t tenants_parallel_max = 4;   ///< tenants written at the same time
  /// Tenants that are written or wait to be tried again, e.g. because their rows are locked. Where
  /// all wait, the others do too.
  std::size_t tenants_in_work_max = 16;
  std::size_t sealing_bytes_max = 64u << 20;  ///< sealed rows and their copies; one event fits
  std::chrono::milliseconds embed_timeout{120'000};
  /// After this time an embedder call is ended, if the embedder answers others: its chunks are
  /// tried apart, and the next call begins.
  std::chrono::milliseconds embed_patience{5'000};
  std::size_t text_bytes_max = limits::referenced_text_bytes_max;  ///< of a file's text
  std::size_t text_chunks_max = limits::referenced_chunks_max;     ///< of such a text
  std::size_t texts_bytes_max = limits::referenced_bytes_max;      ///< of all in memory
  std::chrono::milliseconds fetch_timeout{60'000};                 ///< of one such text
  std::chrono::milliseconds store_timeout{30'000};
  std::chrono::milliseconds publish_timeout{10'000};  ///< of one try to publish a status event
  /// Status events that wait for a broker. As long as there are so many, no record is taken.
  std::size_t status_waiting_max = 20'000;
  /// Of a dead letter. Longer than the producer keeps a record (kafka::SinkOptions), because a
  /// letter that is tried again before that may be written twice.
  std::chrono::milliseconds letter_timeout{35'000};
  std::chrono::milliseconds check_timeout{15'000};  ///< of the check whether a dependency works
  /// How long one step is repeated for a fault of the set-up (a missing grant, a table that is not
  /// there) before the worker ends.
  std::chrono::milliseconds setup_patience = limits::ingest_setup_patience;
  std::chrono::milliseconds backoff_first = limits::backoff_first;
  std::chrono::milliseconds backoff_max = limits::backoff_max;
  policy::BrakeRules brake = {};
};

/// Ingest: records in, sealed rows out.
///
/// Each record takes effect once: it is stored, skipped (stored before, superseded, tenant erased)
/// or dead-lettered on `<topic>.dlq`. A record is done when that is confirmed.
/// Order holds for each document and each conversation.
///
/// Many records are in work at the same time. Documents are embedded in slices between which others
/// have their turn: chats before documents, and users in equal shares (policy::FairQueue).
///
/// A failed step is repeated. Events are to blame for it only where the kind of the failure allows
/// that and a check shows that the dependency works; then the work is halved until the failing
/// event is alone, and that event is dead-lettered after limits::event_attempts_max tries. For all
/// other failures the worker waits, and drops nothing.
class Worker {
 public:
  Worker(WorkerDeps deps, Options options);
  ~Worker();

  /// Runs on the source's executor until the source answers with an empty batch and all records
  /// that were taken are done. Call once.
  /// Throws operation_aborted when cancelled, and Refused for a fault of the set-up that outlasts
  /// Options::setup_patience. The records in work are then not done.
  asio::awaitable<void> run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::ingest

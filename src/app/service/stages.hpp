#pragma once
// What a running service owns, as stages: Process, Keys, Models, Stores, UseCases, Listeners. Each
// is built from the stages before it, refers to them, and is destroyed before them.
// A constructor throws Failure when the set-up is wrong; the stages before it are then destroyed.
#include "adapters/postgres/erasure_listener.hpp"
#include "app/service/live_keyring.hpp"
#include "app/service/producers.hpp"
#include "app/service/sealing_sink.hpp"
#include "app/service/signing_sink.hpp"
#include "app/service/tracing.hpp"
#include "app/service/wiring.hpp"
#include "cases/guard/watcher.hpp"
#include "cases/inference/inference.hpp"
#include "cases/knowledge/file_text.hpp"
#include "cases/person/erase.hpp"
#include "cases/query/answer.hpp"
#include "cases/query/browse.hpp"
#include "cases/rerank/rerank.hpp"
#include "cases/search/matrix_search.hpp"
#include "pure/policy/breaker.hpp"
#include "runtime/loops.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace memseal::app {

namespace asio = boost::asio;

/// What a service has besides its settings: `memseal dev` adds it, `memseal serve` has none.
struct Extras {
  std::function<std::string()> start_page = {};  ///< HTML served at "/"; empty: none
  /// How long a broker may hold back the answer to a fetch; 0: as the settings say.
  std::chrono::milliseconds fetch_wait{0};
  /// Runs on the first loop while the service runs, then is cancelled; empty: nothing.
  std::function<asio::awaitable<void>()> beside = {};
};

/// What every stage reads. The loops run when all stages are built.
struct Process {
  Process(const Config& given, Extras extra);

  runtime::Tracer* tracer() const noexcept { return tracing ? &tracing->tracer : nullptr; }

  const Config config;
  const Extras extras;
  runtime::Metrics metrics;
  const std::unique_ptr<Tracing> tracing;  ///< null: nothing is traced
  rerank::Flags flags;
  runtime::Loops loops;
};

/// The root secrets, and what is derived from them. Only what can be rotated changes: the keyring
/// and the keys of tokens.
struct Keys {
  explicit Keys(Process& process);

  LiveKeyring keyring;
  crypto::TokenVerifier tokens;
  const crypto::TenantKeyer tenants;
  const crypto::IdDeriver ids;
  const crypto::FileHasher hasher;
  const crypto::SigningKey receipts;  ///< of erasures
  /// Who may write events; null: everybody whom Kafka lets.
  const std::unique_ptr<producers::Gate> gate;
  std::optional<ProducersFile> producers_file;  ///< what `gate` knows besides the service itself
};

/// The models and the threads that compute them.
struct Models {
  explicit Models(Process& process);
  /// Waits for the work on the pool, because that work reads the models and the keys.
  ~Models() { pool.join(); }

  model::ModelPool pool;
  const std::shared_ptr<model::GpuSupervisor> gpu;  ///< null: the CPU computes
  const ChosenEmbedder embedder;
  const std::unique_ptr<model::GpuReranker> reranker;  ///< null: none is configured
};

/// What the last look at the database found.
enum class DatabaseState {
  sound,        ///< reachable and migrated, and takes writes
  read_only,    ///< answers, but only a standby or a server that refuses writes
  unavailable,  ///< does not answer, or is not migrated
};

/// What the last catalog lint found. Thread: any.
class IsolationSeen {
 public:
  /// Empty: nothing.
  std::string findings() const {
    const std::lock_guard lock(mutex_);
    return findings_;
  }
  /// Returns whether it differs from what was seen before.
  bool see(std::string findings) {
    const std::lock_guard lock(mutex_);
    const bool differs = findings != findings_;
    findings_ = std::move(findings);
    return differs;
  }

 private:
  mutable std::mutex mutex_;
  std::string findings_;
};

/// The database and the broker.
struct Stores {
  Stores(Process& process, Keys& keys, const Models& models);

  /// Runs what the start waits for. Before what has threads, because these hold its executor until
  /// they have handed over a result.
  asio::io_context start_loop{1};
  postgres::PostgresMetrics metrics;
  search::SearchMetrics search_metrics;  ///< read by the threads of the pool
  /// What the database must agree with; it agreed at the start. The KEKs change, the rest stays.
  const postgres::DeploymentFingerprint fingerprint;
  std::atomic<DatabaseState> database_seen{DatabaseState::sound};
  IsolationSeen isolation_seen;
  postgres::Pool pool;
  /// Of ingest: a share of the connections that is never taken from questions.
  postgres::Pool ingest_pool;
  /// Of tenants' keys, for requests and ingest alike. Apart, because events of strangers and locked
  /// rows of tenants must take no connection from questions.
  postgres::Pool key_pool;
  /// Connections of its own, because a pool that is busy is no reason to get no requests.
  postgres::Pool readiness_pool;
  postgres::Pool audit_pool;  ///< of one connection
  postgres::PgKeyStore keys;
  postgres::PgChunkStore chunks;
  postgres::PgOperations operations;
  postgres::PgChunkSearch exact_search;
  postgres::PgMatrixStore matrix;
  postgres::PgStoredMemory memory;
  postgres::PgFileCatalog catalog;
  postgres::PgPersonStore people;
  postgres::PgAuditLog audit_log;
  const std::unique_ptr<files::LocalFiles> files;  ///< null: files.directory is not set
  const std::unique_ptr<kafka::KafkaSink> sink;  ///< never null
};

struct UseCases;

/// The path from Kafka to the stores.
struct Ingest {
  Ingest(Process& process, Keys& keys, Models& models, Stores& stores, UseCases& cases);

  const std::unique_ptr<kafka::KafkaSource> source;  ///< never null
  ingest::Worker worker;
};

/// What one loop answers with. Each loop has its own, because a breaker has no lock.
struct Answering {
  Answering(Process& process, const Keys& keys, Models& models, Stores& stores, UseCases& cases);

  policy::Breaker breaker;
  rerank::RerankDeps reranking;
  query::QueryDeps query;
  query::BrowseDeps browse;
  inference::InferenceDeps inference;
};

/// The files of users.
struct Knowledge {
  /// Throws Refused where the file store and the database do not belong together.
  Knowledge(Process& process, const Keys& keys, Stores& stores, UseCases& cases);

  knowledge::KnowledgeMetrics metrics;
  extractor::ExtractorMetrics extractor_metrics;
  const std::unique_ptr<extractor::ProcessExtractor> extractor;  ///< null: there is no helper
  knowledge::Transfers uploads, downloads;
  const knowledge::KnowledgeDeps deps;
  knowledge::FileTexts texts{deps};
};

struct UseCases {
  UseCases(Process& process, Keys& keys, Models& models, Stores& stores);

  query::QueryMetrics query_metrics;
  rerank::RerankMetrics rerank_metrics;
  ingest::IngestMetrics ingest_metrics;
  lifecycle::KeyMetrics key_metrics;
  lifecycle::CachedTenantKeys tenant_keys;
  SealingSink sealed_events;
  SigningSink events;  ///< of the service's own events, which it signs and then seals
  search::MatrixSearch search;
  std::optional<Knowledge> knowledge;  ///< empty: no files are kept
  std::optional<Ingest> ingest;     ///< empty: kafka.enabled is off
  auditing::AuditMetrics audit_metrics;
  auditing::Auditor auditor;
  guard::GuardMetrics guard_metrics;
  guard::Watcher guard;             ///< runs on loop 0, as the source of events does
  std::deque<Answering> answering;  ///< one a loop
  const person::EraseDeps person;
  /// Last, because its thread empties the caches above.
  const postgres::ErasureListener erasures;
};

}  // namespace memseal::app

#pragma once
// What a running service owns, in dependency order: later members refer to earlier ones.
#include "app/service/wiring.hpp"

#include "pure/policy/breaker.hpp"
#include "runtime/loops.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace memseal::app {

struct ServiceParts;

/// One I/O thread's share: its own bucket link, breaker and listener, so nothing needs a mutex.
struct LoopParts {
  LoopParts(ServiceParts& parts, std::size_t loop, std::unique_ptr<redis::ManagedLimiter> buckets,
            http::Options options);

  std::unique_ptr<redis::ManagedLimiter> limiter;
  policy::Breaker breaker;
  rerank::RerankDeps reranking;
  query::QueryDeps query;
  inference::InferenceDeps inference;
  http::ApiDeps api;
  std::unique_ptr<http::Server> server;
};

struct ServiceParts {
  explicit ServiceParts(const Config& given);
  ~ServiceParts();

  Result<void> load_keys_and_models();
  Result<void> connect();
  Result<void> connect_kafka();
  Result<void> listen();

  http::RouteDeps route_deps(http::ApiDeps* api);
  std::vector<http::Check> readiness() const;
  std::vector<std::pair<std::string, std::int64_t>> memory() const;

  Config config;
  runtime::Metrics metrics;
  query::QueryMetrics query_metrics{metrics};
  rerank::RerankMetrics rerank_metrics{metrics};
  http::HttpMetrics http_probe{metrics};
  std::shared_ptr<http::EndedQueries> ended_queries = std::make_shared<http::EndedQueries>();
  ingest::IngestMetrics ingest_metrics{metrics};
  postgres::PostgresMetrics postgres_metrics{metrics};
  lifecycle::KeyMetrics key_metrics{metrics};
  rerank::Flags flags;
  std::atomic<bool> database_seen{false};  ///< what the readiness watch last saw

  std::optional<crypto::Keyring> keyring;
  std::optional<crypto::TokenVerifier> tokens;
  std::optional<crypto::TenantKeyer> keyer;
  std::optional<crypto::IdDeriver> ids;
  crypto::TenantKey dead_letter_key;

  model::ModelPool cpu;
  runtime::Loops loops;
  ChosenEmbedder embedder;
  std::unique_ptr<model::GpuReranker> reranker;
  std::unique_ptr<postgres::Pool> pool;
  std::unique_ptr<postgres::PgKeyStore> key_store;
  std::unique_ptr<lifecycle::CachedTenantKeys> keys;
  std::unique_ptr<postgres::PgChunkStore> store;
  std::unique_ptr<postgres::PgOperations> operations;
  std::unique_ptr<postgres::PgChunkSearch> search;
  std::unique_ptr<kafka::KafkaSink> sink;
  std::unique_ptr<kafka::KafkaSource> source;
  std::unique_ptr<ingest::Worker> worker;
  std::vector<std::unique_ptr<LoopParts>> listeners;
  std::unique_ptr<http::Server> admin;
};

}  // namespace memseal::app

#pragma once
// Makes the parts a configuration asks for. The one place that knows use cases and adapters.
#include "app/service/keys.hpp"

#include "adapters/extractor/process_extractor.hpp"
#include "adapters/files/local_files.hpp"
#include "adapters/kafka/admin.hpp"
#include "adapters/kafka/sink.hpp"
#include "adapters/kafka/source.hpp"
#include "adapters/kafka/topic_records.hpp"
#include "adapters/model/factory.hpp"
#include "adapters/openai/embedder.hpp"
#include "adapters/postgres/audit_log.hpp"
#include "adapters/postgres/chunk_search.hpp"
#include "adapters/postgres/chunk_store.hpp"
#include "adapters/postgres/file_catalog.hpp"
#include "adapters/postgres/key_store.hpp"
#include "adapters/postgres/matrix_store.hpp"
#include "adapters/postgres/operations.hpp"
#include "adapters/postgres/person_store.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/stored_memory.hpp"
#include "adapters/redis/limiter.hpp"
#include "app/config/config.hpp"
#include "cases/auditing/auditor.hpp"
#include "cases/guard/watcher.hpp"
#include "cases/ingest/worker.hpp"
#include "cases/knowledge/files.hpp"
#include "cases/lifecycle/tenant_keys.hpp"
#include "cases/search/matrix_search.hpp"
#include "http/routes/api.hpp"
#include "ports/embedder.hpp"
#include "runtime/log.hpp"

#include <optional>

namespace memseal::app {

std::size_t loop_count(const Config& config);
std::size_t cpu_thread_count(const Config& config);

redis::LimiterOptions limiter_options(const Config& config);
/// The topics that ingest consumes.
std::vector<std::string> event_topics(const Config& config);
std::vector<kafka::TopicSpec> topic_specs(const Config& config);
kafka::ClientOptions kafka_client(const Config& config);
kafka::SinkOptions sink_options(const Config& config);
kafka::SourceOptions source_options(const Config& config);
openai::EmbedderOptions endpoint_options(const Config& config);
postgres::PoolOptions pool_options(const Config& config);
postgres::PoolOptions ingest_pool_options(const Config& config);
postgres::PoolOptions key_pool_options(const Config& config);
/// One connection, because its thread puts the records of a chain in order.
postgres::PoolOptions audit_pool_options(const Config& config);
auditing::AuditorOptions auditor_options(const Config& config);
ingest::Options ingest_options(const Config& config);
search::MatrixOptions matrix_options(const Config& config);
/// Reads the baseline file. Errors: bad_config.
Result<guard::WatcherOptions> guard_options(const Config& config);
Result<crypto::TokenVerifier> make_verifier(const Config& config, const crypto::Keyring& keyring);

/// The embedder that a configuration asks for: in this process, or behind a remote endpoint.
class ChosenEmbedder {
 public:
  explicit ChosenEmbedder(std::unique_ptr<model::GpuEmbedder> local);
  ChosenEmbedder(std::unique_ptr<openai::OpenAiEmbedder> remote,
                 std::unique_ptr<const text::WordPiece> tokenizer);

  ports::Embedder& operator*() const { return *embedder_; }
  ports::Embedder* operator->() const { return embedder_.get(); }
  /// The tokenizer that cuts chunks.
  const text::WordPiece& tokenizer() const { return *tokenizer_; }
  /// Tokens of one chunk, [CLS] and [SEP] included.
  std::size_t tokens_max() const { return tokens_max_; }
  const std::string& description() const { return description_; }

 private:
  std::unique_ptr<const text::WordPiece> own_tokenizer_;  // null: the local embedder has its own
  std::unique_ptr<ports::Embedder> embedder_;             // never null; reads own_tokenizer_
  const text::WordPiece* tokenizer_;
  std::size_t tokens_max_;
  std::string description_;
};

/// What the models of a process share on a GPU, as model.device asks; null: the CPU computes.
std::shared_ptr<model::GpuSupervisor> make_gpu_supervisor(const Config& config,
                                                          runtime::Metrics* metrics = nullptr);
/// With embedding.url the endpoint is asked for one vector, which may take seconds. Without a `gpu`
/// the CPU computes.
Result<ChosenEmbedder> make_embedder(const Config& config, model::ModelPool& models,
                                     std::shared_ptr<model::GpuSupervisor> gpu = nullptr);
/// Null when no reranker is configured.
Result<std::unique_ptr<model::GpuReranker>> make_reranker(
    const Config& config, model::ModelPool& models,
    std::shared_ptr<model::GpuSupervisor> gpu = nullptr);
/// The model in one line, with the reason why the GPU does not compute it where there is one.
std::string describe(const model::ModelInfo& info, const std::string& why_cpu);
/// What the database must agree with.
postgres::DeploymentFingerprint deployment_fingerprint(const crypto::Keyring& keyring,
                                                       const ports::Embedder& embedder);

}  // namespace memseal::app

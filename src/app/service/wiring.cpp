#include "app/service/wiring.hpp"

#include "app/config/model_paths.hpp"
#include "app/config/text_file.hpp"
#include "cases/guard/baseline.hpp"
#include "runtime/loops.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace memseal::app {

namespace {

std::size_t cores() { return runtime::core_count(); }

model::LoadOptions load_options(const Config& config, std::shared_ptr<model::GpuSupervisor> gpu) {
  model::LoadOptions options;
  if (!gpu) return options;
  options.device = *model::parse_device(config.model.device);
  options.gpu = std::move(gpu);
  return options;
}

}  // namespace

std::size_t loop_count(const Config& config) {
  if (config.runtime.loops > 0) return static_cast<std::size_t>(config.runtime.loops);
  return std::max<std::size_t>(1, cores() / 2);
}

std::size_t cpu_thread_count(const Config& config) {
  if (config.runtime.cpu_threads > 0) return static_cast<std::size_t>(config.runtime.cpu_threads);
  return cores();  // A loop has little to do while a model computes for it.
}

redis::LimiterOptions limiter_options(const Config& config) {
  redis::LimiterOptions options;
  options.url = config.redis.url;
  options.buckets = config.ratelimit.table();
  options.timeout = std::chrono::milliseconds(config.redis.timeout_ms);
  return options;
}

std::vector<std::string> event_topics(const Config& config) {
  std::vector<std::string> topics{config.kafka.upload_topic, config.kafka.chat_topic};
  for (const auto& [topic, topic_class] : config.kafka.topics)
    if (std::find(topics.begin(), topics.end(), topic) == topics.end()) topics.push_back(topic);
  return topics;
}

std::vector<kafka::TopicSpec> topic_specs(const Config& config) {
  const auto& kafka = config.kafka;
  kafka::TopicSpec of_events{.name = {},
                             .partitions = static_cast<int>(kafka.partitions),
                             .replication = static_cast<int>(kafka.replication),
                             .retention = std::chrono::hours(kafka.retention_h)};
  auto of_letters = of_events;
  // One partition, because dead letters are few and are read by people.
  of_letters.partitions = 1;
  of_letters.retention = std::chrono::hours(kafka.dead_letter_retention_h);
  // Otherwise a record has the time that its producer says, and a stolen signature never ages.
  of_events.has_broker_time = kafka.producers == ingest::producers_signed;
  std::vector<kafka::TopicSpec> topics;
  for (const auto& name : event_topics(config)) {
    of_events.name = name;
    topics.push_back(of_events);
    of_letters.name = name + std::string(kafka::dead_letter_suffix);
    topics.push_back(of_letters);
  }
  auto of_status = of_events;
  of_status.name = kafka.status_topic;
  of_status.has_broker_time = true;  // This tells how far the brokers' clock is off.
  if (kafka.status_events) topics.push_back(of_status);
  return topics;
}

kafka::ClientOptions kafka_client(const Config& config) {
  return {config.kafka.brokers, config.kafka.properties};
}

kafka::SinkOptions sink_options(const Config& config) {
  return {.client = kafka_client(config),
          .topics = {.upload = config.kafka.upload_topic,
                     .chat = config.kafka.chat_topic,
                     .status = config.kafka.status_topic}};
}

kafka::SourceOptions source_options(const Config& config) {
  kafka::SourceOptions options;
  options.client = kafka_client(config);
  options.group = config.kafka.group;
  options.instance_id = config.kafka.instance_id;
  options.topics = event_topics(config);
  return options;
}

postgres::PoolOptions pool_options(const Config& config) {
  postgres::PoolOptions options;
  options.dsn = config.postgres.dsn;
  options.connections = static_cast<std::size_t>(config.postgres.connections);
  options.waiting_max = static_cast<std::size_t>(config.postgres.waiting_max);
  return options;
}

postgres::PoolOptions ingest_pool_options(const Config& config) {
  auto options = pool_options(config);
  options.name = "ingest";
  options.connections = static_cast<std::size_t>(config.postgres.ingest_connections);
  return options;
}

postgres::PoolOptions key_pool_options(const Config& config) {
  auto options = pool_options(config);
  options.name = "keys";
  options.connections = 2;  // Keys are cached: a tenant's is read once.
  return options;
}

postgres::PoolOptions audit_pool_options(const Config& config) {
  auto options = pool_options(config);
  options.name = "audit";
  options.connections = 1;
  return options;
}

auditing::AuditorOptions auditor_options(const Config& config) {
  auditing::AuditorOptions options;
  options.scope = auditing::parse_scope(config.audit.records);
  options.checkpoint_every = std::chrono::seconds(config.audit.checkpoint_s);
  return options;
}

ingest::Options ingest_options(const Config& config) {
  ingest::Options options;
  options.rules.tokens = static_cast<std::size_t>(config.chunk.tokens);
  options.rules.overlap = static_cast<std::size_t>(config.chunk.overlap);
  options.status_events = config.kafka.status_events;
  options.terms = config.search.hybrid;
  options.topic_classes = config.kafka.topics;
  if (config.kafka.user_tokens_per_minute > 0)
    options.tenant_budget = policy::BucketRules{config.kafka.user_tokens_per_minute, 60};
  return options;
}

search::MatrixOptions matrix_options(const Config& config) {
  search::MatrixOptions options;
  options.bytes = static_cast<std::size_t>(config.search.matrix_bytes);
  options.chunks_min = config.search.matrix_chunks_min;
  options.words = config.search.hybrid;
  options.dense_weight_chat = config.search.chat_weight();
  options.dense_weight_document = config.search.document_weight();
  // Loads must leave connections to questions.
  options.loads_max = static_cast<std::size_t>(std::max<std::int64_t>(
      1, config.postgres.connections / 2));
  return options;
}

Result<guard::WatcherOptions> guard_options(const Config& config) {
  auto options = guard::watcher_options(config.guard);
  const auto& file = config.guard.baseline_file;
  if (file.empty()) return options;
  const auto text = read_text_file(file, config_file_bytes_max);
  if (!text) return Error{Errc::bad_config, text.error().message, "guard.baseline_file"};
  auto baseline = guard::parse_baseline(*text, file);
  if (!baseline) return Error{Errc::bad_config, baseline.error().message, "guard.baseline_file"};
  options.baseline = std::move(*baseline);
  return options;
}

Result<crypto::TokenVerifier> make_verifier(const Config& config, const crypto::Keyring& keyring) {
  const crypto::TokenRules rules{config.auth.issuer, config.auth.audience,
                                 config.auth.lifetime_s_max, config.auth.leeway_s};
  // One kind of key for one verifier. A process that took both could be made to read a public key
  // as an HMAC secret (RFC 8725 §2.1).
  if (config.auth.jwks_file.empty())
    return crypto::TokenVerifier::hs256_of(keyring.token_keys(), rules);
  // Public keys, so the file has no rules about who may read it.
  std::ifstream file(config.auth.jwks_file, std::ios::binary);
  if (!file)
    return Error{Errc::bad_config, "cannot read auth.jwks_file " + config.auth.jwks_file,
                 "auth.jwks_file"};
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return crypto::TokenVerifier::jwks(text, rules);
}

std::string describe(const model::ModelInfo& info, const std::string& why_cpu) {
  return info.describe() + (why_cpu.empty() ? "" : " (not by the GPU: " + why_cpu + ")");
}

std::shared_ptr<model::GpuSupervisor> make_gpu_supervisor(const Config& config,
                                                          runtime::Metrics* metrics) {
  // Not even asked: opening the driver takes a second and memory of the device.
  if (config.model.device == "cpu") return nullptr;
  return model::make_gpu_supervisor(metrics);
}

ChosenEmbedder::ChosenEmbedder(std::unique_ptr<model::GpuEmbedder> local)
    : tokenizer_(&local->tokenizer()),
      tokens_max_(local->tokens_max()),
      description_(describe(local->info(), local->why_cpu())) {
  embedder_ = std::move(local);
}

ChosenEmbedder::ChosenEmbedder(std::unique_ptr<openai::OpenAiEmbedder> remote,
                               std::unique_ptr<const text::WordPiece> tokenizer)
    : own_tokenizer_(std::move(tokenizer)),
      tokenizer_(own_tokenizer_.get()),
      // What the endpoint's model reads is not known here, so only memseal's own limit holds.
      tokens_max_(limits::chunk_tokens_max + 2),
      description_(remote->describe()) {
  embedder_ = std::move(remote);
}

openai::EmbedderOptions endpoint_options(const Config& config) {
  openai::EmbedderOptions options;
  options.url = config.embedding.url;
  options.model = config.embedding.remote_model;
  options.api_key = config.embedding.api_key;
  options.ca_file = config.embedding.ca_file;
  options.inputs_max = static_cast<std::size_t>(config.embedding.batch_texts);
  return options;
}

Result<ChosenEmbedder> make_embedder(const Config& config, model::ModelPool& models,
                                     std::shared_ptr<model::GpuSupervisor> gpu) {
  const auto directory = find_model(config.embedding.model);
  if (!directory) return directory.error();
  if (config.embedding.url.empty()) {
    auto local = model::open_embedder(*directory, models, load_options(config, std::move(gpu)));
    if (!local) return local.error();
    return ChosenEmbedder(std::move(*local));
  }
  // Chunks are cut by a local tokenizer also where an endpoint embeds them.
  auto loaded = model::load_tokenizer(*directory);
  if (!loaded) return loaded.error();
  auto tokenizer = std::make_unique<const text::WordPiece>(std::move(*loaded));
  auto remote =
      openai::OpenAiEmbedder::open(endpoint_options(config), *tokenizer, models.threads());
  if (!remote) return remote.error();
  return ChosenEmbedder(std::move(*remote), std::move(tokenizer));
}

Result<std::unique_ptr<model::GpuReranker>> make_reranker(
    const Config& config, model::ModelPool& models, std::shared_ptr<model::GpuSupervisor> gpu) {
  if (config.rerank.model.empty()) return std::unique_ptr<model::GpuReranker>();
  const auto directory = find_model(config.rerank.model);
  if (!directory) return directory.error();
  auto options = load_options(config, std::move(gpu));
  options.precision = model::precision_of(config.rerank.precision);
  return model::open_reranker(*directory, models, options);
}

postgres::DeploymentFingerprint deployment_fingerprint(const crypto::Keyring& keyring,
                                                       const ports::Embedder& embedder) {
  return {embedder.dimension(), embedder.model_name(), keyring.tenant_key_check(),
          keyring.kek_checks(), keyring.kek_epoch()};
}

}  // namespace memseal::app

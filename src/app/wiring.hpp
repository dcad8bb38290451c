#pragma once
// Makes the parts a configuration asks for. The one place that knows use cases and adapters.
#include "keys.hpp"

#include "memseal/app/config.hpp"
#include "memseal/http/server.hpp"
#include "memseal/ingest/worker.hpp"
#include "memseal/kafka/admin.hpp"
#include "memseal/kafka/sink.hpp"
#include "memseal/kafka/source.hpp"
#include "memseal/model/factory.hpp"
#include "memseal/postgres/chunk_search.hpp"
#include "memseal/postgres/chunk_store.hpp"
#include "memseal/postgres/schema.hpp"
#include "memseal/postgres/tenant_keys.hpp"
#include "memseal/redis/limiter.hpp"
#include "memseal/runtime/log.hpp"

#include <optional>
#include <utility>

namespace memseal::app {

std::size_t loop_count(const Config& config);
std::size_t cpu_thread_count(const Config& config);

/// "127.0.0.1:7400" or "[::1]:7400", taken apart. bad_config otherwise.
Result<std::pair<std::string, std::uint16_t>> parse_listen(const std::string& text,
                                                           const std::string& key);

redis::LimiterOptions limiter_options(const Config& config);
std::vector<kafka::TopicSpec> topic_specs(const Config& config);
kafka::ClientOptions kafka_client(const Config& config);
kafka::SourceOptions source_options(const Config& config);
postgres::PoolOptions pool_options(const Config& config);
ingest::Options ingest_options(const Config& config);
Result<crypto::TokenVerifier> make_verifier(const Config& config, const crypto::Keyring& keyring);
Result<std::unique_ptr<model::CpuEmbedder>> make_embedder(const Config& config,
                                                          boost::asio::thread_pool& cpu);
/// Null when no reranker is configured.
Result<std::unique_ptr<model::CpuReranker>> make_reranker(const Config& config,
                                                          boost::asio::thread_pool& cpu);
/// What the database must agree with.
postgres::SchemaFacts schema_facts(const crypto::Keyring& keyring,
                                   const model::CpuEmbedder& embedder);

}  // namespace memseal::app

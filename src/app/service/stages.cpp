#include "app/service/stages.hpp"

#include "adapters/kafka/admin.hpp"
#include "app/config/listen_address.hpp"

namespace memseal::app {

namespace {

http::Options listener_options(const Config& config, std::string address, std::uint16_t port) {
  http::Options options;
  options.address = std::move(address);
  options.port = port;
  options.connections_max = static_cast<std::size_t>(config.http.connections_max);
  options.body_bytes_max = static_cast<std::size_t>(config.http.body_bytes_max);
  options.drain_timeout = std::chrono::milliseconds(config.runtime.drain_timeout_ms);
  return options;
}

Error not_set(const std::string& key, const std::string& hint) {
  return {Errc::bad_config, key + " is not set (env " + env_name(key) + ")" + hint, key};
}

}  // namespace

LoopParts::LoopParts(ServiceParts& parts, std::size_t loop,
                     std::unique_ptr<redis::ManagedLimiter> buckets, http::Options options)
    : limiter(std::move(buckets)),
      breaker({.slow = std::chrono::milliseconds(parts.config.rerank.budget_ms)}),
      reranking{parts.reranker.get(), breaker, parts.flags, parts.rerank_metrics,
                std::chrono::milliseconds(parts.config.rerank.budget_ms)},
      query{*parts.embedder, *parts.search, *parts.keys, reranking, parts.query_metrics},
      inference{reranking, *parts.embedder, &parts.embedder.words()},
      api{query, inference, *parts.operations, *parts.sink, *limiter, *parts.tokens,
          *parts.keyer, *parts.ids},
      server(std::make_unique<http::Server>(parts.loops[loop].get_executor(), std::move(options),
                                            parts.http_probe,
                                            http::make_handler(parts.route_deps(&api)))) {}

ServiceParts::ServiceParts(const Config& given)
    : config(given), cpu(cpu_thread_count(given)), loops(loop_count(given)) {}

// Work on the pools reads keys, words and models: it ends before they go.
ServiceParts::~ServiceParts() { cpu.join(); }

Result<void> ServiceParts::load_keys_and_models() {
  auto loaded = load_keyring(config);
  if (!loaded) return loaded.error();
  keyring.emplace(std::move(*loaded));
  keyer.emplace(keyring->tenant_keyer());
  ids.emplace(keyring->id_deriver());
  dead_letter_key = keyring->dead_letter_key();
  auto verifier = make_verifier(config, *keyring);
  if (!verifier) return verifier.error();
  tokens.emplace(std::move(*verifier));

  const auto gpu = make_gpu_supervisor(config, &metrics);
  auto embeds = make_embedder(config, cpu, gpu);
  if (!embeds) return embeds.error();
  embedder = std::move(*embeds);
  auto reranks = make_reranker(config, cpu, gpu);
  if (!reranks) return reranks.error();
  reranker = std::move(*reranks);
  if (static_cast<std::size_t>(config.chunk.tokens) + 2 > embedder.tokens_max())
    return Error{Errc::bad_config,
                 "chunk.tokens is more than the embedder reads: at most " +
                     std::to_string(embedder.tokens_max() - 2),
                 "chunk.tokens"};
  flags.rerank_enabled = config.rerank.enabled;
  return {};
}

Result<void> ServiceParts::connect() {
  if (config.postgres.dsn.empty()) return not_set("postgres.dsn", "");
  if (config.kafka.brokers.empty())
    return not_set("kafka.brokers", "; `memseal dev` brings a broker of its own");
  if (auto fits = postgres::check_schema(config.postgres.dsn,
                                         deployment_fingerprint(*keyring, *embedder));
      !fits)
    return fits.error();
  database_seen = true;
  pool = std::make_unique<postgres::Pool>(pool_options(config), postgres_metrics);
  key_store = std::make_unique<postgres::PgKeyStore>(*pool);
  keys = std::make_unique<lifecycle::CachedTenantKeys>(*key_store, *keyring, key_metrics);
  store = std::make_unique<postgres::PgChunkStore>(*pool);
  operations = std::make_unique<postgres::PgOperations>(*pool);
  search = std::make_unique<postgres::PgChunkSearch>(*pool);
  return connect_kafka();
}

Result<void> ServiceParts::connect_kafka() {
  const auto client = kafka_client(config);
  if (config.kafka.create_topics) {
    // A broker that is unavailable now may come back: it is reported, not fatal.
    const auto made = kafka::ensure_topics(client, topic_specs(config), std::chrono::seconds(5));
    if (!made && made.error().code == Errc::bad_config) return made.error();
    if (!made)
      runtime::log(runtime::LogLevel::warn, "service.kafka_unavailable",
                   {{"cause", made.error().message}});
  }
  const auto executor = loops[0].get_executor();
  auto out = kafka::KafkaSink::open(executor, sink_options(config), metrics);
  if (!out) return out.error();
  sink = std::move(*out);
  if (!config.kafka.enabled) return {};
  auto in = kafka::KafkaSource::open(executor, source_options(config), metrics);
  if (!in) return in.error();
  source = std::move(*in);
  worker = std::make_unique<ingest::Worker>(
      ingest::WorkerDeps{*source, *sink, *store, *keys, *embedder, embedder.words(), *keyer, *ids,
                    dead_letter_key, cpu.threads(), ingest_metrics, &*tokens},
      ingest_options(config));
  return {};
}

Result<void> ServiceParts::listen() {
  const auto place = ListenAddress::parse(config.http.listen, "http.listen");
  if (!place) return place.error();
  auto port = place->port;
  auto bucket_options = limiter_options(config);
  auto local = redis::make_local_buckets(bucket_options);
  if (!local) return local.error();
  bucket_options.local = std::move(*local);
  for (std::size_t i = 0; i < loops.size(); ++i) {
    auto options = listener_options(config, place->host, port);
    options.reuse_port = loops.size() > 1;
    auto buckets = redis::make_limiter(loops[i].get_executor(), bucket_options, metrics);
    if (!buckets) return buckets.error();
    listeners.push_back(
        std::make_unique<LoopParts>(*this, i, std::move(*buckets), std::move(options)));
    port = listeners.front()->server->port();  // Port 0 was asked for: the others share the first.
  }
  if (config.http.admin_listen == "off") return {};
  const auto admin_place = ListenAddress::parse(config.http.admin_listen, "http.admin_listen");
  if (!admin_place) return admin_place.error();
  auto options = listener_options(config, admin_place->host, admin_place->port);
  auto deps = route_deps(nullptr);
  deps.admin = true;
  admin = std::make_unique<http::Server>(loops[0].get_executor(), std::move(options), http_probe,
                                         http::make_handler(std::move(deps)));
  return {};
}

http::RouteDeps ServiceParts::route_deps(http::ApiDeps* api) {
  return {.metrics = metrics,
          .api = api,
          .readiness = [this] { return readiness(); },
          .memory = [this] { return memory(); },
          .ended = ended_queries,
          .switch_rerank = [this](bool on) { flags.rerank_enabled = on; }};
}

std::vector<http::Check> ServiceParts::readiness() const {
  std::vector<http::Check> checks;
  const bool database = database_seen;
  checks.push_back({"database", database, true,
                    database ? "reachable, migrated" : "unavailable or not migrated"});
  checks.push_back({"embedder", true, true, embedder->model_name()});
  checks.push_back({"reranker", reranker != nullptr, false,
                    reranker ? reranker->model_name() : "none: answers keep the search order"});
  const bool broker = source ? source->connected() : sink->connected();
  checks.push_back({"kafka", broker, false, broker ? "connected" : "no broker reached"});
  bool buckets = true;
  for (const auto& each : listeners) buckets = buckets && each->limiter->connected();
  checks.push_back({"redis", buckets, false,
                    config.redis.url.empty() ? "not used: buckets in this process"
                    : buckets                ? "connected"
                                             : "unavailable: buckets in this process"});
  return checks;
}

std::vector<std::pair<std::string, std::int64_t>> ServiceParts::memory() const {
  std::vector<std::pair<std::string, std::int64_t>> figures;
  if (source) figures.emplace_back("kafka_lag_records", source->lag());
  return figures;
}

}  // namespace memseal::app

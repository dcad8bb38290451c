#include "app/service/stages.hpp"

#include "adapters/kafka/admin.hpp"
#include "adapters/postgres/catalog.hpp"
#include "app/service/keys.hpp"
#include "runtime/log.hpp"
#include "runtime/process_metrics.hpp"

#include <boost/asio/co_spawn.hpp>

#include <exception>

namespace memseal::app {

namespace {

Error not_set(const std::string& key, const std::string& hint) {
  return {Errc::bad_config, key + " is not set (env " + env_name(key) + ")" + hint, key};
}

void check_chunk_tokens(const Config& config, const ChosenEmbedder& embedder) {
  // + 2: the embedder adds [CLS] and [SEP] to each chunk.
  if (static_cast<std::size_t>(config.chunk.tokens) + 2 <= embedder.tokens_max()) return;
  throw_failure({Errc::bad_config,
                 "chunk.tokens is more than the embedder reads: at most " +
                     std::to_string(embedder.tokens_max() - 2),
                 "chunk.tokens"});
}

/// Looks whether the database fits this program before any connection of the pool is made.
postgres::DeploymentFingerprint checked_fingerprint(const Config& config, const Keys& keys,
                                                    const Models& models) {
  if (config.postgres.dsn.empty()) throw_failure(not_set("postgres.dsn", ""));
  if (config.kafka.brokers.empty())
    throw_failure(not_set("kafka.brokers", "; `memseal dev` brings a broker of its own"));
  auto fingerprint = deployment_fingerprint(*keys.keyring.now(), *models.embedder);
  postgres::check_schema(config.postgres.dsn, fingerprint).value();
  postgres::check_isolation(postgres::lint_as_service(config.postgres.dsn).value()).value();
  return fingerprint;
}

/// A broker that is unavailable now may come back: it is reported, not fatal.
bool is_reached(const Result<void>& asked) {
  if (!asked)
    runtime::log(runtime::LogLevel::warn, "service.kafka_unavailable",
                 {{"cause", asked.error().message}});
  return asked.has_value();
}

std::unique_ptr<kafka::KafkaSink> open_sink(Process& process) {
  const auto& config = process.config;
  bool reached = true;
  if (config.kafka.create_topics) {
    const auto made =
        kafka::ensure_topics(kafka_client(config), topic_specs(config), std::chrono::seconds(5));
    // A topic that cannot be created never comes by itself, so the start fails.
    if (!made && made.error().code == Errc::bad_config) throw_failure(made.error());
    reached = is_reached(made);
  }
  auto sink = kafka::KafkaSink::open(process.loops[0].get_executor(), sink_options(config),
                                     process.metrics)
                  .value();
  // Now, because otherwise the first client that writes waits for it.
  if (reached) is_reached(sink->connect(std::chrono::seconds(2)));
  return sink;
}

std::unique_ptr<files::LocalFiles> open_files(const Config& config) {
  if (config.files.directory.empty()) return nullptr;
  files::LocalFilesOptions options;
  options.directory = config.files.directory;
  options.free_bytes_min = static_cast<std::uint64_t>(config.files.free_bytes_min);
  return files::LocalFiles::open(std::move(options)).value();
}

/// Null: only texts in UTF-8 are indexed here.
std::unique_ptr<extractor::ProcessExtractor> make_extractor(const Config& config,
                                                            extractor::ExtractorMetrics& metrics) {
  const auto program = extractor::find_helper(config.files).value();
  if (!program) {
    runtime::log(runtime::LogLevel::warn, "service.no_extractor",
                 {{"cause", "memseal-extract does not lie beside memseal: documents are stored, "
                            "and only texts in UTF-8 can be indexed (files.extractor)"}});
    return nullptr;
  }
  extractor::ExtractorOptions options;
  options.program = *program;
  options.concurrent = static_cast<std::size_t>(config.files.extract_concurrent);
  options.file_bytes_max = static_cast<std::uint64_t>(config.files.extract_bytes_max);
  return std::make_unique<extractor::ProcessExtractor>(std::move(options), metrics);
}

kafka::SourceOptions consumer_options(const Process& process) {
  auto options = source_options(process.config);
  const auto wait = process.extras.fetch_wait;
  if (wait.count() > 0)
    options.client.properties.emplace("fetch.wait.max.ms", std::to_string(wait.count()));
  return options;
}

/// Runs `work` to its end and rethrows what it threw.
void run_at_start(asio::io_context& loop, asio::awaitable<void> work) {
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(work),
                 [&failure](std::exception_ptr thrown) { failure = std::move(thrown); });
  loop.restart();
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

std::chrono::milliseconds rerank_budget(const Config& config) {
  return std::chrono::milliseconds(config.rerank.budget_ms);
}

/// How the guard's actions reach the parts that are built after it.
guard::Switches guard_switches(Process& process, UseCases& cases) {
  return {.rerank_off = [&flags = process.flags](
                            bool begins) { flags.guard_allows_queries = !begins; },
          .ingest_paused =
              [&cases](bool begins) {
                if (cases.ingest) cases.ingest->source->set_held(begins);
              }};
}

/// Drops what this process has cached of one tenant.
std::function<void(const crypto::Tenant&)> forget_in(UseCases& cases) {
  return [&cases](const crypto::Tenant& owner) {
    cases.tenant_keys.forget(owner);
    cases.search.forget(owner);
  };
}

postgres::ErasureListener::Handlers erasure_handlers(const Keys& keys, UseCases& cases) {
  return {.erased =
              [&tenants = keys.tenants, forget = forget_in(cases)](const UserHash& hash) {
                forget(tenants.tenant_of_hash(hash));
              },
          .missed =
              [&cases] {
                // Words were missed while the connection was away, so anybody may have been erased
                // meanwhile.
                cases.tenant_keys.forget_all();
                cases.search.forget_all();
              }};
}

}  // namespace

Process::Process(const Config& given, Extras extra)
    : config(given),
      extras(std::move(extra)),
      tracing(make_tracing(process_environment(), config.runtime.release, metrics)),
      flags{config.rerank.enabled},
      loops(loop_count(config)) {
  runtime::observe_build(metrics, config.runtime.release);
}

Keys::Keys(Process& process)
    : keyring(process.config, process.metrics,
              [this, &config = process.config](const crypto::Keyring& next) {
                // Keys of a JWK Set are not in the keyring.
                if (config.auth.jwks_file.empty())
                  tokens.replace_keys(make_verifier(config, next).value());
              }),
      tokens(make_verifier(process.config, *keyring.now()).value()),
      tenants(keyring.now()->tenant_keyer()),
      ids(keyring.now()->id_deriver()),
      hasher(keyring.now()->file_hasher()),
      receipts(keyring.now()->receipt_key()),
      gate(make_gate(process.config, *keyring.now())) {
  const auto& kafka = process.config.kafka;
  // Again at the start, although `config check` does it: nobody has to run that.
  check_open_producers(process.config).value();
  if (gate && !kafka.producers_file.empty())
    producers_file.emplace(kafka.producers_file, *gate, process.metrics);
  if (kafka.producers == ingest::producers_open)
    runtime::log(runtime::LogLevel::warn, "service.producers_open",
                 {{"cause", "whoever reaches the broker writes for every user (kafka.producers)"}});
}

Models::Models(Process& process)
    : pool(cpu_thread_count(process.config)),
      gpu(make_gpu_supervisor(process.config, &process.metrics)),
      // value() throws the Error of a model that cannot be opened, and ends the start.
      embedder(make_embedder(process.config, pool, gpu).value()),
      reranker(make_reranker(process.config, pool, gpu).value()) {
  check_chunk_tokens(process.config, embedder);
}

Stores::Stores(Process& process, Keys& keyring, const Models& models)
    : metrics(process.metrics),
      search_metrics(process.metrics),
      // Before the pool: a database of other vectors or another key must not be written to.
      fingerprint(checked_fingerprint(process.config, keyring, models)),
      pool(pool_options(process.config), metrics),
      ingest_pool(ingest_pool_options(process.config), metrics),
      key_pool(key_pool_options(process.config), metrics),
      readiness_pool({.name = "readiness", .dsn = process.config.postgres.dsn, .connections = 2},
                     metrics),
      audit_pool(audit_pool_options(process.config), metrics),
      keys(key_pool),
      chunks(ingest_pool),
      operations(pool),
      exact_search(pool),
      matrix(pool),
      memory(pool),
      catalog(pool),
      people(pool),
      audit_log(audit_pool, audit::Marks(keyring.keyring.now()->audit_key()),
                keyring.keyring.now()->audit_signer()),
      files(open_files(process.config)),
      sink(open_sink(process)) {}

Ingest::Ingest(Process& process, Keys& keys, Models& models, Stores& stores, UseCases& cases)
    : source(kafka::KafkaSource::open(process.loops[0].get_executor(),
                                      consumer_options(process), process.metrics)
                 .value()),
      worker({.source = *source,
              .sink = *stores.sink,
              .store = stores.chunks,
              .keys = cases.tenant_keys,
              .embedder = *models.embedder,
              .tokenizer = models.embedder.tokenizer(),
              .keyer = keys.tenants,
              .ids = keys.ids,
              // The newest, because one that was rotated may be retired soon.
              .dead_letter_key = [&keyring = keys.keyring] {
                return keyring.latest()->dead_letter_key();
              },
              .cpu = models.pool.threads(),
              .metrics = cases.ingest_metrics,
              .gate = keys.gate.get(),
              .make_way =
                  [&pool = models.pool.tasks()] {
                    pool.yield_to_more_urgent_than(model::Urgency::chunks);
                  },
              .texts = cases.knowledge ? &cases.knowledge->texts : nullptr,
              .broker_now_ms =
                  [&sink = *stores.sink] { return runtime::unix_ms() + sink.broker_ahead_ms(); },
              .tracer = process.tracer()},
             ingest_options(process.config)) {}

Answering::Answering(Process& process, const Keys& keys, Models& models, Stores& stores,
                     UseCases& cases)
    : breaker({.slow = rerank_budget(process.config)}),
      reranking{models.reranker.get(), breaker, process.flags, cases.rerank_metrics,
                rerank_budget(process.config)},
      query{*models.embedder, cases.search,        cases.tenant_keys,
            reranking,        cases.query_metrics, process.config.search.hybrid},
      browse{stores.memory, cases.tenant_keys, keys.ids, models.pool.threads(),
             cases.query_metrics},
      inference{reranking, *models.embedder, &models.embedder.tokenizer()} {}

Knowledge::Knowledge(Process& process, const Keys& keys, Stores& stores, UseCases& cases)
    : metrics(process.metrics),
      extractor_metrics(process.metrics),
      extractor(make_extractor(process.config, extractor_metrics)),
      deps{*stores.files,     stores.catalog, cases.tenant_keys,
           keys.hasher,       uploads,        downloads,
           metrics,           process.config.files.limits(),
           extractor.get()} {
  const runtime::RequestContext context{"start",
                                        runtime::Deadline::after(std::chrono::seconds(20))};
  run_at_start(stores.start_loop, knowledge::claim_store(deps, keys.tenants, context));
}

UseCases::UseCases(Process& process, Keys& keys, Models& models, Stores& stores)
    : query_metrics(process.metrics),
      rerank_metrics(process.metrics),
      ingest_metrics(process.metrics),
      key_metrics(process.metrics),
      tenant_keys(stores.keys, keys.keyring, key_metrics),
      sealed_events(*stores.sink, sink_options(process.config).topics, tenant_keys, keys.tenants,
                    keys.ids, process.config.kafka.own_events == ingest::own_events_sealed),
      events(sealed_events, sink_options(process.config).topics, own_signer(*keys.keyring.now()),
             [&sink = *stores.sink] { return runtime::unix_ms() + sink.broker_ahead_ms(); }),
      search(stores.exact_search, stores.matrix, stores.search_metrics,
             matrix_options(process.config), &tenant_keys),
      audit_metrics(process.metrics),
      auditor(stores.audit_log, audit_metrics, audit::Marks(keys.keyring.now()->audit_key()),
              auditor_options(process.config)),
      guard_metrics(process.metrics),
      guard(guard_options(process.config).value(),
            [&metrics = process.metrics] {
              runtime::observe_process(metrics);
              return metrics.render();
            },
            guard_switches(process, *this), guard_metrics),
      person{stores.people, stores.files.get(), forget_in(*this)},
      erasures(process.config.postgres.dsn, stores.metrics, erasure_handlers(keys, *this)) {
  // Ingest refers to members of this object, which are all built by now.
  if (stores.files) knowledge.emplace(process, keys, stores, *this);
  if (process.config.kafka.enabled) ingest.emplace(process, keys, models, stores, *this);
  // One for each loop, because a breaker has no lock.
  for (std::size_t loop = 0; loop < process.loops.size(); ++loop)
    answering.emplace_back(process, keys, models, stores, *this);
}

}  // namespace memseal::app

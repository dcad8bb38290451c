#include "app/cli/config_check.hpp"

#include "adapters/http_client/client.hpp"
#include "adapters/model/inspect.hpp"
#include "app/config/model_paths.hpp"
#include "app/config/secrets.hpp"
#include "app/service/producers.hpp"
#include "app/service/wiring.hpp"
#include "pure/codec/url.hpp"

#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <system_error>
#include <unistd.h>

namespace memseal::app {

namespace {

class Check {
 public:
  explicit Check(LoadedConfig& loaded) : loaded_(loaded), config_(loaded.values) {}

  void run() {
    check_keys();
    check_embedder();
    check_reranker();
    check_kafka();
    check_producers();
    check_files();
    check_guard();
    if (config_.postgres.dsn.empty()) warn_not_set("postgres.dsn");
    // A shell of an operator has the variable, and no service.
    if (const auto bound = check_no_owner(loaded_);
        !bound && loaded_.origin.at(bound.error().field).starts_with("file "))
      loaded_.warnings.push_back(bound.error());
  }

 private:
  void problem(const std::string& key, const Error& error) {
    loaded_.problems.push_back(
        {error.code, error.message + " (" + key + ": " + loaded_.origin.at(key) + ")", key});
  }

  void warn_not_set(const std::string& key) {
    loaded_.warnings.push_back({Errc::bad_config,
                                key + " is not set (env " + env_name(key) +
                                    "); `memseal serve` needs it, `memseal dev` brings its own",
                                key});
  }

  void check_keys() {
    const auto& seal = config_.seal;
    if (seal.keyring_file.empty() && seal.encryption_key.empty())
      return warn_not_set("seal.keyring_file");
    const auto keyring = load_keyring(config_);
    if (!keyring)
      return problem(seal.keyring_file.empty() ? "seal.encryption_key" : "seal.keyring_file",
                     keyring.error());
    const auto verifier = make_verifier(config_, *keyring);
    if (!verifier)
      problem(config_.auth.jwks_file.empty() ? "seal.token_key" : "auth.jwks_file",
              verifier.error());
  }

  /// The model that `key` names. A default that is not on this machine is no mistake of a setting.
  std::optional<std::filesystem::path> directory_of(const std::string& key,
                                                    const std::string& name) {
    const auto found = find_model(name);
    if (found) return *found;
    if (loaded_.origin.at(key) == "default")
      // `config check` may run where the configuration is written and not where the models lie.
      loaded_.warnings.push_back({Errc::bad_config, found.error().message, key});
    else
      problem(key, found.error());
    return std::nullopt;
  }

  void check_embedder() {
    const std::string key = "embedding.model";
    const auto& embedding = config_.embedding;
    if (const auto sentence = clear_text_warning(config_); !sentence.empty())
      loaded_.warnings.push_back({Errc::bad_config, sentence, "embedding.url"});
    if (!embedding.url.empty())
      if (const auto sound = openai::OpenAiEmbedder::check(endpoint_options(config_)); !sound)
        problem(sound.error().field, sound.error());
    const auto directory = directory_of(key, embedding.model);
    if (!directory) return;
    if (!embedding.url.empty()) {  // The endpoint embeds, and the model's tokenizer cuts.
      if (const auto tokenizer = model::load_tokenizer(*directory); !tokenizer)
        problem(key, tokenizer.error());
      return;
    }
    const auto info = model::inspect(*directory);
    if (!info) return problem(key, info.error());
    if (model::is_cross_encoder(*info))
      return problem(key, {Errc::bad_config, info->name + " is a reranker, not an embedder"});
    if (static_cast<std::size_t>(config_.chunk.tokens) + 2 > info->tokens_max)
      problem("chunk.tokens",
              {Errc::bad_config, "chunk.tokens is more than the embedder reads: at most " +
                                     std::to_string(info->tokens_max - 2)});
  }

  void check_reranker() {
    const std::string key = "rerank.model";
    if (config_.rerank.model.empty()) return;
    const auto directory = directory_of(key, config_.rerank.model);
    if (!directory) return;
    const auto info = model::inspect(*directory);
    if (!info) return problem(key, info.error());
    if (!model::is_cross_encoder(*info))
      problem(key, {Errc::bad_config, info->name + " is an embedder, not a reranker"});
  }

  // Opening a client checks its properties. The client asks nothing of a broker.
  void check_kafka() {
    if (config_.kafka.brokers.empty()) return warn_not_set("kafka.brokers");
    runtime::log_setup(runtime::LogLevel::off, runtime::LogFormat::text);
    boost::asio::io_context io;
    runtime::Metrics metrics;
    const auto sink = kafka::KafkaSink::open(io.get_executor(), sink_options(config_), metrics);
    if (!sink) return kafka_problem(sink.error());
    const auto source =
        kafka::KafkaSource::open(io.get_executor(), source_options(config_), metrics);
    if (!source) kafka_problem(source.error());
  }

  void check_producers() {
    if (const auto sound = check_open_producers(config_); !sound)
      problem(sound.error().field, sound.error());
    const auto& file = config_.kafka.producers_file;
    if (file.empty() || config_.kafka.producers != ingest::producers_signed) return;
    if (const auto registry = read_producers(file); !registry)
      problem(registry.error().field, registry.error());
  }

  // Only looks: who checks a configuration is often not who runs the service, and what that user
  // makes the service may not write.
  void check_files() {
    const std::string key = "files.directory";
    const std::filesystem::path directory = config_.files.directory;
    if (const auto helper = extractor::find_helper(config_.files); !helper)
      problem("files.extractor", helper.error());
    if (directory.empty()) return;
    std::error_code unknown;
    const auto found = std::filesystem::status(directory, unknown);
    if (std::filesystem::exists(found) && !std::filesystem::is_directory(found))
      return problem(key, {Errc::bad_config, directory.string() + " is no directory"});
    if (std::filesystem::exists(found) && ::access(directory.c_str(), W_OK | X_OK) != 0)
      return problem(key,
                     {Errc::bad_config, directory.string() + " cannot be written by this user"});
  }

  void check_guard() {
    if (const auto options = guard_options(config_); !options)
      problem(options.error().field, options.error());
  }

  void kafka_problem(const Error& error) {
    const bool known = loaded_.origin.contains(error.field);
    problem(known ? error.field : std::string(kafka::properties_key), error);
  }

  LoadedConfig& loaded_;
  const Config& config_;
};

}  // namespace

void check_for_serve(LoadedConfig& loaded) { Check(loaded).run(); }

std::string clear_text_warning(const Config& config) {
  const auto url = codec::Url::parse(config.embedding.url);
  if (!url || url->tls || http_client::is_loopback(url->host)) return "";
  return "embedding.url is plain http to another machine: the texts to embed travel in clear "
         "text; use https://";
}

}  // namespace memseal::app

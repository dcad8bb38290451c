#include "app/config/config.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace memseal::app {

namespace {

Error bad(const std::string& key, std::string sentence) {
  return {Errc::bad_config, std::move(sentence), key};
}

template <class Field>
Setting text(std::string key, std::string help, Field field) {
  return {key, std::move(help), false,
          [field](Config& config, const std::string& value) -> Result<void> {
            field(config) = value;
            return {};
          },
          [field](const Config& config) { return field(const_cast<Config&>(config)); }};
}

template <class Field>
Setting secret(std::string key, std::string help, Field field, std::string alias = {}) {
  auto setting = text(std::move(key), std::move(help), field);
  setting.secret = true;
  setting.env_alias = std::move(alias);
  return setting;
}

template <class Field>
Setting choice(std::string key, std::string help, std::vector<std::string> allowed, Field field) {
  return {key, std::move(help), false,
          [key, allowed, field](Config& config, const std::string& value) -> Result<void> {
            std::string list;
            for (const auto& one : allowed) {
              if (one == value) {
                field(config) = value;
                return {};
              }
              list += (list.empty() ? "" : ", ") + one;
            }
            return bad(key, key + " must be one of: " + list);
          },
          [field](const Config& config) { return field(const_cast<Config&>(config)); }};
}

template <class Field>
Setting number(std::string key, std::string help, std::int64_t least, std::int64_t most,
               Field field) {
  return {
      key, std::move(help), false,
      [key, least, most, field](Config& config, const std::string& value) -> Result<void> {
        std::int64_t parsed = 0;
        const auto [end, failure] =
            std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (failure != std::errc{} || end != value.data() + value.size() || parsed < least ||
            parsed > most)
          return bad(key, key + " must be a whole number from " + std::to_string(least) + " to " +
                              std::to_string(most));
        field(config) = parsed;
        return {};
      },
      [field](const Config& config) { return std::to_string(field(const_cast<Config&>(config))); }};
}

template <class Field>
Setting flag(std::string key, std::string help, Field field, std::string alias = {}) {
  Setting setting{key, std::move(help), false,
                  [key, field](Config& config, const std::string& value) -> Result<void> {
                    if (value == "true" || value == "1" || value == "yes" || value == "on")
                      field(config) = true;
                    else if (value == "false" || value == "0" || value == "no" || value == "off")
                      field(config) = false;
                    else
                      return bad(key, key + " must be true or false");
                    return {};
                  },
                  [field](const Config& config) {
                    return std::string(field(const_cast<Config&>(config)) ? "true" : "false");
                  }};
  setting.env_alias = std::move(alias);
  return setting;
}

Result<void> set_properties(Config& config, const std::string& value) {
  std::size_t begin = 0;
  while (begin < value.size()) {
    const auto end = std::min(value.find(',', begin), value.size());
    const auto pair = value.substr(begin, end - begin);
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return bad("kafka.properties", "kafka.properties is a list name=value,name=value");
    config.kafka.properties[pair.substr(0, equals)] = pair.substr(equals + 1);
    begin = end + 1;
  }
  return {};
}

bool property_is_secret(const std::string& name) {
  constexpr std::array words{"password", "secret", "jaas", "pem", "key", "token", "oauth"};
  return std::ranges::any_of(words, [&](const char* word) { return name.find(word) != name.npos; });
}

std::string show_properties(const Config& config) {
  std::string list;
  for (const auto& [name, value] : config.kafka.properties)
    list += (list.empty() ? "" : ",") + name + "=" +
            (property_is_secret(name) ? std::string("(set)") : value);
  return list;
}

#define FIELD(path) \
  [](Config & config) -> auto& { return config.path; }

// Table: one entry a key.
std::vector<Setting> make_settings() {
  std::vector<Setting> all{
      text("http.listen", "address:port of the public API", FIELD(http.listen)),
      text("http.admin_listen", "address:port of /metrics for operators; off closes it",
           FIELD(http.admin_listen)),
      number("http.connections_max", "connections accepted at once", 1, 100'000,
             FIELD(http.connections_max)),
      number("http.body_bytes_max", "largest request body in bytes", 1'024, 64 << 20,
             FIELD(http.body_bytes_max)),
      text("auth.jwks_file",
           "JWK Set with RS256/ES256 keys; empty: HS256 with the keyring's token key",
           FIELD(auth.jwks_file)),
      text("auth.issuer", "required `iss` of tokens; empty: not checked", FIELD(auth.issuer)),
      text("auth.audience", "required `aud` of tokens; empty: not checked", FIELD(auth.audience)),
      number("auth.lifetime_s_max", "longest accepted lifetime of a token in seconds", 60,
             limits::token_lifetime_s_max, FIELD(auth.lifetime_s_max)),
      number("auth.leeway_s", "tolerated clock difference in seconds", 0, 60, FIELD(auth.leeway_s)),
      secret("postgres.dsn", "postgresql:// address as role app_user", FIELD(postgres.dsn)),
      secret("postgres.migrate_dsn", "postgresql:// address of the owner, for migrate and dev",
             FIELD(postgres.migrate_dsn)),
      number("postgres.connections", "database connections, one thread each", 1, 64,
             FIELD(postgres.connections)),
      number("postgres.waiting_max", "transactions that may wait for a connection", 1, 100'000,
             FIELD(postgres.waiting_max)),
      flag("kafka.enabled", "consume events; false: this process only answers queries",
           FIELD(kafka.enabled)),
      text("kafka.brokers", "bootstrap servers, host:port,host:port", FIELD(kafka.brokers)),
      text("kafka.group", "consumer group", FIELD(kafka.group)),
      text("kafka.instance_id",
           "name of this member, stable over restarts: a restart then keeps its partitions",
           FIELD(kafka.instance_id)),
      text("kafka.upload_topic", "topic of uploads", FIELD(kafka.upload_topic)),
      text("kafka.chat_topic", "topic of chats", FIELD(kafka.chat_topic)),
      text("kafka.status_topic", "topic that tells what became of each event",
           FIELD(kafka.status_topic)),
      flag("kafka.status_events", "publish to the status topic", FIELD(kafka.status_events)),
      flag("kafka.create_topics", "create missing topics at start", FIELD(kafka.create_topics)),
      flag("kafka.require_authtoken", "refuse events without a valid authtoken header",
           FIELD(kafka.require_authtoken)),
      {"kafka.properties", "librdkafka properties, name=value,… (a map in YAML)", false,
       set_properties, show_properties},
      secret("redis.url", "redis://[:password@]host:port/db; empty: buckets in this process",
             FIELD(redis.url)),
      number("redis.timeout_ms", "longest wait for Redis before the local bucket decides", 1,
             10'000, FIELD(redis.timeout_ms)),
      number("ratelimit.requests", "requests a user may make in one window", 1, 1'000'000'000,
             FIELD(ratelimit.requests)),
      number("ratelimit.window_s", "length of the window in seconds", 1, 31'536'000,
             FIELD(ratelimit.window_s)),
      choice("model.device",
             "what computes the models: auto takes a GPU where one is found, cuda insists on it",
             {"auto", "cpu", "cuda"}, FIELD(model.device)),
      text("embedding.model",
           "Hugging Face directory of the embedder, or its name; its tokenizer cuts chunks always",
           FIELD(embedding.model)),
      text("embedding.url",
           "base of an OpenAI-compatible endpoint that embeds instead and reads all texts, e.g. "
           "https://api.openai.com/v1; empty: texts stay in this process",
           FIELD(embedding.url)),
      text("embedding.remote_model", "name of the endpoint's model, with embedding.url",
           FIELD(embedding.remote_model)),
      secret("embedding.api_key", "bearer key of the endpoint; empty: none",
             FIELD(embedding.api_key)),
      text("embedding.ca_file", "PEM file of an authority trusted beside the system's",
           FIELD(embedding.ca_file)),
      flag("rerank.enabled", "rerank search results", FIELD(rerank.enabled), "RERANK_ENABLED"),
      text("rerank.model", "Hugging Face directory of the cross-encoder; empty: search order",
           FIELD(rerank.model)),
      choice("rerank.precision", "what the CPU multiplies; bf16 needs AVX-512", {"fp32", "bf16"},
             FIELD(rerank.precision)),
      number("rerank.budget_ms", "time after which reranking is given up", 1, 10'000,
             FIELD(rerank.budget_ms)),
      text("seal.keyring_file", "file of mode 0600 made by `memseal keys init`",
           FIELD(seal.keyring_file)),
      secret("seal.tenant_hmac_key", "key that names tenants, base64 or hex, instead of a keyring",
             FIELD(seal.tenant_hmac_key), "MEMORY_TENANT_HMAC_KEY"),
      secret("seal.encryption_key", "key that wraps tenants' keys, base64 or hex",
             FIELD(seal.encryption_key), "MEMORY_ENCRYPTION_KEY"),
      secret("seal.token_key", "HS256 key of bearer tokens, base64 or hex", FIELD(seal.token_key)),
      number("chunk.tokens", "most tokens of one chunk", 16, limits::chunk_tokens_max,
             FIELD(chunk.tokens)),
      number("chunk.overlap", "tokens repeated from the chunk before", 0,
             limits::chunk_tokens_max / 2, FIELD(chunk.overlap)),
      number("runtime.loops", "I/O threads; 0: half the cores, at least one", 0, 64,
             FIELD(runtime.loops)),
      number("runtime.cpu_threads", "model threads; 0: as many as cores", 0, 256,
             FIELD(runtime.cpu_threads)),
      number("runtime.drain_timeout_ms", "time that streams get to finish after SIGTERM", 0,
             600'000, FIELD(runtime.drain_timeout_ms)),
      choice("log.level", "least level logged", {"debug", "info", "warn", "error", "off"},
             FIELD(log.level)),
      choice("log.format", "text, json, or auto: text on a terminal", {"auto", "text", "json"},
             FIELD(log.format)),
  };
  return all;
}

#undef FIELD

}  // namespace

const std::vector<Setting>& settings() {
  static const auto all = make_settings();
  return all;
}

}  // namespace memseal::app

#pragma once
// Configuration: flags > environment > YAML file > defaults. Read once at start, then immutable.
#include "base/limits.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::app {

/// Everything an operator may set. Key names are `section.name`; the environment spells them
/// MEMSEAL__SECTION__NAME. `memseal config show` lists all with their origin.
struct Config {
  struct Http {
    std::string listen = "127.0.0.1:7400";
    std::string admin_listen = "127.0.0.1:7401";  ///< /metrics; "off" closes it
    std::int64_t connections_max = limits::http_connections_max;
    std::int64_t body_bytes_max = limits::http_body_bytes_max;
  } http;
  struct Auth {
    std::string jwks_file;  ///< RS256/ES256 keys; empty: HS256 by the keyring
    std::string issuer, audience;
    std::int64_t lifetime_s_max = limits::token_lifetime_s_max;
    std::int64_t leeway_s = limits::token_leeway_s;
  } auth;
  struct Postgres {
    std::string dsn;          ///< as app_user
    std::string migrate_dsn;  ///< as the owner; for `memseal migrate` and `dev`
    std::int64_t connections = 4;
    std::int64_t waiting_max = 256;
  } postgres;
  struct Kafka {
    bool enabled = true;
    std::string brokers;
    std::string group = "memseal";
    std::string instance_id;  ///< static membership: unique per process, stable over restarts
    std::string upload_topic = "memory.upload.v1";
    std::string chat_topic = "memory.chat.v1";
    std::string status_topic = "memory.status.v1";
    bool status_events = true;
    bool create_topics = true;
    bool require_authtoken = false;  ///< refuse events without a producer's signed token
    std::map<std::string, std::string> properties;  ///< passed to librdkafka as they are
  } kafka;
  struct Redis {
    std::string url;  ///< empty: buckets live in this process
    std::int64_t timeout_ms = 50;
  } redis;
  struct RateLimit {
    std::int64_t requests = 100;
    std::int64_t window_s = 3'600;
  } ratelimit;
  struct Model {
    std::string device = "auto";  ///< "auto", "cpu", "cuda": what computes the models
  } model;
  struct Embedding {
    std::string model = "all-MiniLM-L6-v2";  ///< directory, or a name in the model path
    std::string url;           ///< of an OpenAI-compatible endpoint; empty: `model` embeds here
    std::string remote_model;  ///< what that endpoint calls its model
    std::string api_key, ca_file;
  } embedding;
  struct Rerank {
    bool enabled = true;
    std::string model;  ///< directory or name; empty: search order is kept
    std::string precision = "fp32";
    std::int64_t budget_ms = 250;
  } rerank;
  struct Seal {
    std::string keyring_file;
    std::string tenant_hmac_key, encryption_key, token_key;  ///< instead of a keyring file
  } seal;
  struct ChunkSizes {
    std::int64_t tokens = limits::chunk_tokens_default;
    std::int64_t overlap = 0;
  } chunk;
  struct Runtime {
    std::int64_t loops = 0;        ///< I/O threads; 0: half the cores, at least one
    std::int64_t cpu_threads = 0;  ///< model threads; 0: as many as cores
    std::int64_t drain_timeout_ms = 20'000;
  } runtime;
  struct Log {
    std::string level = "info";
    std::string format = "auto";  ///< "text", "json", "auto": text on a terminal
  } log;
};

/// One key of the table that makes parsing, `config show`, help and the template agree.
struct Setting {
  std::string key;  ///< "http.listen"
  std::string help;
  bool secret = false;  ///< redacted; also readable as <KEY>_FILE
  std::function<Result<void>(Config&, const std::string&)> set;
  std::function<std::string(const Config&)> get;
  std::string env_alias = {};  ///< an older name that stays valid
};

const std::vector<Setting>& settings();
/// "http.listen" → "MEMSEAL__HTTP__LISTEN".
std::string env_name(std::string_view key);

/// Where values come from, most important last in the list of layers.
struct ConfigSources {
  std::optional<std::filesystem::path> file;                     ///< YAML
  std::vector<std::pair<std::string, std::string>> environment;  ///< all of NAME=VALUE
  std::vector<std::pair<std::string, std::string>> flags;        ///< key=value
};

/// The outcome of reading all layers. With problems, `values` must not be used.
struct LoadedConfig {
  Config values;
  std::map<std::string, std::string> origin;  ///< key → "default", "file x.yaml:3", "env X", "flag"
  std::vector<Error> problems;                ///< every problem, not only the first
};

LoadedConfig load_config(const ConfigSources& sources);

/// This process's environment, copied.
std::vector<std::pair<std::string, std::string>> process_environment();

/// A commented YAML file with every key at its default.
std::string config_template();

}  // namespace memseal::app

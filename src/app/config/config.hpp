#pragma once
// Configuration: flags > environment > YAML file > defaults. Read once at start, then immutable.
#include "adapters/extractor/settings.hpp"
#include "adapters/files/settings.hpp"
#include "adapters/kafka/settings.hpp"
#include "adapters/model/settings.hpp"
#include "adapters/openai/settings.hpp"
#include "adapters/postgres/settings.hpp"
#include "adapters/redis/settings.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/setting.hpp"
#include "cases/auditing/settings.hpp"
#include "cases/guard/settings.hpp"
#include "cases/ingest/settings.hpp"
#include "cases/knowledge/settings.hpp"
#include "cases/rerank/settings.hpp"
#include "cases/search/settings.hpp"
#include "http/server/settings.hpp"
#include "pure/crypto/settings.hpp"
#include "pure/text/settings.hpp"
#include "runtime/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::app {

/// Everything an operator may set: the settings of all modules, by section. Key names are
/// `section.name`; the environment spells them MEMSEAL__SECTION__NAME. `memseal config show` lists
/// all with their origin. Defaults and meanings stand beside each module's options.
struct Config {
  struct Kafka : ingest::Settings, kafka::Settings {};
  struct Embedding : model::EmbedderSettings, openai::Settings {};
  struct Files : files::Settings, extractor::Settings, knowledge::Settings {};
  struct Rerank : rerank::Settings, model::RerankerSettings {};
  struct Runtime : runtime::LoopSettings,
                   model::PoolSettings,
                   http::DrainSettings,
                   runtime::ReleaseSettings {};

  http::Settings http;
  crypto::AuthSettings auth;
  postgres::DatabaseSettings postgres;
  Kafka kafka;
  Files files;
  redis::Settings redis;
  redis::RateLimitSettings ratelimit;
  model::DeviceSettings model;
  Embedding embedding;
  search::Settings search;
  Rerank rerank;
  guard::Settings guard;
  auditing::Settings audit;
  crypto::SealSettings seal;
  text::ChunkSettings chunk;
  Runtime runtime;
  runtime::LogSettings log;
};

/// A section of the table, in the order of the template, and what it is about.
struct Section {
  std::string_view name, title;
};

std::span<const Section> sections();

/// The rows of all modules, section by section. Parsing, `config show`, the template and
/// docs/settings.md are made from them.
const SettingRows<Config>& settings();
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
  std::vector<Error> warnings;                ///< what is probably a mistake
};

/// A relative path in the YAML file starts at the file's folder, another at the working directory.
LoadedConfig load_config(const ConfigSources& sources);

/// This process's environment, copied.
std::vector<std::pair<std::string, std::string>> process_environment();

/// A commented YAML file with every key at its default.
std::string config_template();

/// The Markdown page docs/settings.md.
std::string settings_table();

}  // namespace memseal::app

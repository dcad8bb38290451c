#include "app/config/config.hpp"

#include "adapters/kafka/sink.hpp"
#include "app/config/listen_address.hpp"
#include "app/config/secrets.hpp"
#include "app/config/text_file.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/codec/did_you_mean.hpp"

#include <boost/asio/ip/address.hpp>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

namespace memseal::app {

namespace {

constexpr std::string_view env_prefix = "MEMSEAL__";

const Setting<Config>* find_setting(std::string_view key) {
  for (const auto& setting : settings())
    if (setting.key == key) return &setting;
  return nullptr;
}

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys;
  for (const auto& setting : settings()) keys.push_back(setting.key);
  return keys;
}

Error unknown_key(const std::string& key, const std::string& origin) {
  for (const auto& all : {redis::RateLimitSettings::retired(), ingest::Settings::retired()})
    for (const auto& retired : all)
      if (retired.key == key)
        return {Errc::bad_config,
                key + " is no longer a setting (" + origin + "); " + std::string(retired.instead),
                key};
  std::string sentence = "unknown config key \"" + key + "\" (" + origin + ")";
  // A longer key may be further from what was meant. A guess that is too far misleads.
  const auto edits_max = std::max<std::size_t>(2, key.size() / 4);
  if (const auto near = codec::did_you_mean(key, known_keys(), edits_max))
    sentence.append("; did you mean \"").append(*near).append("\"?");
  else
    sentence += "; `memseal config show` lists all keys";
  return {Errc::bad_config, std::move(sentence), key};
}

void apply(LoadedConfig& loaded, const std::string& key, std::string value,
           const std::string& origin, const std::filesystem::path& folder = {}) {
  // librdkafka's properties have no rows of their own: librdkafka knows their names.
  static const auto properties = std::string(kafka::properties_key) + ".";
  if (key.starts_with(properties) && key.size() > properties.size()) {
    loaded.values.kafka.properties[key.substr(properties.size())] = value;
    loaded.origin[std::string(kafka::properties_key)] = origin;
    return;
  }
  const auto* setting = find_setting(key);
  if (setting == nullptr) {
    loaded.problems.push_back(unknown_key(key, origin));
    return;
  }
  if (setting->is_path(value)) value = folder / value;  // An absolute path stays as it is.
  if (auto outcome = setting->set(loaded.values, value); !outcome) {
    auto problem = outcome.error();
    problem.message += " (" + origin + ")";
    loaded.problems.push_back(std::move(problem));
    return;
  }
  loaded.origin[key] = origin;
}

void walk_yaml(LoadedConfig& loaded, const YAML::Node& node, const std::string& prefix,
               const std::filesystem::path& file) {
  // yaml-cpp accepts a key twice, and only one of the two values would count.
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const auto origin = "file " + file.string() + ":" + std::to_string(entry.first.Mark().line + 1);
    if (!entry.first.IsScalar()) {
      loaded.problems.push_back(
          {Errc::bad_config, "a key must be a word (" + origin + ")", prefix});
      continue;
    }
    const auto key = prefix + entry.first.Scalar();
    if (!seen.insert(key).second)
      loaded.problems.push_back(
          {Errc::bad_config, "\"" + key + "\" stands twice (" + origin + ")", key});
    else if (entry.second.IsMap())
      walk_yaml(loaded, entry.second, key + ".", file);
    else if (entry.second.IsScalar())
      apply(loaded, key, entry.second.Scalar(), origin, file.parent_path());
    else if (entry.second.IsSequence())
      loaded.problems.push_back(
          {Errc::bad_config, key + " takes one value, not a list (" + origin + ")", key});
  }
}

void read_file(LoadedConfig& loaded, const std::filesystem::path& path) {
  const auto text = read_open_text(path, config_file_bytes_max);
  if (!text) {
    std::error_code ignored;
    // A file that exists and cannot be read must not be said to be missing.
    const bool missing = !std::filesystem::exists(path, ignored) && !ignored;
    loaded.problems.push_back(
        {Errc::bad_config,
         text.error().message + (missing ? "; `memseal config init` writes one" : ""), ""});
    return;
  }
  try {
    const auto root = YAML::Load(text->text);
    if (root.IsMap())
      walk_yaml(loaded, root, "", path);
    else if (!root.IsNull())
      loaded.problems.push_back(
          {Errc::bad_config, path.string() + " must be a YAML map of sections", ""});
  } catch (const YAML::Exception& failure) {
    loaded.problems.push_back(
        {Errc::bad_config,
         path.string() + ":" + std::to_string(failure.mark.line + 1) + ": not YAML: " + failure.msg,
         ""});
  }
  if (!text->others_may_use) return;
  if (const auto key = secret_in_file(loaded))
    loaded.problems.push_back(
        {Errc::bad_config, exposed(path).message + " (or set " + *key + " elsewhere)", *key});
}

/// The text of a file, without the line ends that editors add: they would make a password wrong.
Result<std::string> read_value(const std::string& key, const std::string& path) {
  auto opened = read_open_text(path, secret_file_bytes_max);
  if (!opened) return opened.error();
  auto value = Result<std::string>(std::move(opened->text));
  while (value && !value->empty() && (value->back() == '\n' || value->back() == '\r'))
    value->pop_back();
  if (opened->others_may_use && holds_secret(key, *value)) return exposed(path);
  return value;
}

std::string key_of_env(std::string_view name) {
  std::string key;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 2) == "__") {
      key += '.';
      ++i;
    } else {
      key += codec::ascii_lower(name[i]);
    }
  }
  return key;
}

/// A variable MEMSEAL__…, by the key that it sets.
struct Variable {
  std::string name, value;
  bool from_file = false;  ///< the value is the name of a file with the value
};

void apply_variable(LoadedConfig& loaded, const std::string& key, const Variable& variable) {
  const auto origin = "env " + variable.name;
  const auto content =
      variable.from_file ? read_value(key, variable.value) : Result<std::string>(variable.value);
  if (content)
    apply(loaded, key, *content, origin);
  else
    loaded.problems.push_back(
        {Errc::bad_config, content.error().message + " (" + origin + ")", key});
}

void read_environment(LoadedConfig& loaded,
                      const std::vector<std::pair<std::string, std::string>>& environment) {
  static constexpr std::string_view file_suffix = "_file";
  // Aliases first, so that the full name wins where both are set.
  for (const auto& [name, value] : environment)
    for (const auto& setting : settings())
      if (!setting.env_alias.empty() && setting.env_alias == name)
        apply(loaded, setting.key, value, "env " + name);
  std::map<std::string, Variable> chosen;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(env_prefix)) continue;
    const auto key = key_of_env(std::string_view(name).substr(env_prefix.size()));
    const auto plain = key.substr(0, key.size() - std::min(key.size(), file_suffix.size()));
    // Some settings end in _file themselves, such as seal.keyring_file: those hold the path.
    const bool from_file = find_setting(key) == nullptr && key.ends_with(file_suffix) &&
                           find_setting(plain) != nullptr;
    auto& before = chosen[from_file ? plain : key];
    // An empty value means "not set", so it gives way to another name.
    if (before.name.empty() || before.value.empty())
      before = {name, value, from_file};
    else if (!value.empty())
      loaded.problems.push_back({Errc::bad_config,
                                 (from_file ? plain : key) + " is set twice, by " + before.name +
                                     " and by " + name + "; unset one of them",
                                 from_file ? plain : key});
  }
  for (const auto& [key, variable] : chosen) apply_variable(loaded, key, variable);
}

/// MEMSEAL_LOG_LEVEL and MEMSEAL__LOG__LEVEL alike, so that a lost underscore is found.
std::string without_doubles(std::string name) {
  for (auto at = name.find("__"); at != std::string::npos; at = name.find("__", at))
    name.erase(at, 1);
  return name;
}

/// The variables that are read and have one underscore after the program's name.
constexpr std::string_view plain_variables[] = {"MEMSEAL_CONFIG", "MEMSEAL_TOKEN",
                                                "MEMSEAL_CA_FILE", "MEMSEAL_MODELS"};

/// Warns of a variable MEMSEAL_… that is not read and resembles one that is.
void warn_of_unread_variables(LoadedConfig& loaded,
                              const std::vector<std::pair<std::string, std::string>>& environment) {
  std::map<std::string, std::string> meant;  // without doubled underscores → the right name
  for (const auto name : plain_variables) meant[std::string(name)] = name;
  for (const auto& setting : settings())
    meant[without_doubles(env_name(setting.key))] = env_name(setting.key);
  std::vector<std::string_view> known;
  for (const auto& [plain, name] : meant) known.push_back(plain);
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("MEMSEAL_") || name.starts_with(env_prefix)) continue;
    if (std::ranges::find(plain_variables, name) != std::end(plain_variables)) continue;
    auto plain = without_doubles(name);
    std::transform(plain.begin(), plain.end(), plain.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    // MEMSEAL_SEAL_KEYRING_FILE means a setting, MEMSEAL_POSTGRES_DSN_FILE a file.
    const bool from_file = !meant.contains(plain) && plain.ends_with("_FILE");
    if (from_file) plain.resize(plain.size() - 5);
    const auto near = codec::did_you_mean(plain, known);
    if (!near) continue;
    const auto& right = meant.at(std::string(*near));
    const bool is_setting = right.starts_with(env_prefix);
    loaded.warnings.push_back({Errc::bad_config,
                               name + " is not read; did you mean " + right +
                                   (from_file && is_setting ? "_FILE" : "") +
                                   (is_setting ? ", with two underscores?" : "?"),
                               is_setting ? key_of_env(right.substr(env_prefix.size())) : right});
  }
}

void check_listener(LoadedConfig& loaded, const std::string& key, const std::string& value) {
  const auto& origin = loaded.origin.at(key);
  const auto parsed = ListenAddress::parse(value, key);
  boost::system::error_code malformed;
  if (parsed) boost::asio::ip::make_address(parsed->host, malformed);
  if (!parsed)
    loaded.problems.push_back(
        {Errc::bad_config, parsed.error().message + " (" + origin + ")", key});
  else if (malformed)  // A name may stand for several addresses.
    loaded.problems.push_back(
        {Errc::bad_config,
         key + " must have an IP address, not the name \"" + parsed->host + "\" (" + origin + ")",
         key});
}

void check_listeners(LoadedConfig& loaded) {
  const auto& http = loaded.values.http;
  check_listener(loaded, "http.listen", http.listen);
  if (http.admin_listen != http::admin_listen_off)
    check_listener(loaded, "http.admin_listen", http.admin_listen);
}

void check_topics(LoadedConfig& loaded) {
  const auto& kafka = loaded.values.kafka;
  std::vector<std::pair<std::string, std::string>> topics{
      {"kafka.upload_topic", kafka.upload_topic}, {"kafka.chat_topic", kafka.chat_topic}};
  for (const auto& [topic, topic_class] : kafka.topics) topics.emplace_back("kafka.topics", topic);
  // Kafka takes 249 characters, also with the suffix of the dead letters.
  constexpr std::size_t name_max = 249 - kafka::dead_letter_suffix.size();
  for (const auto& [key, topic] : topics) {
    if (topic == kafka.status_topic)
      loaded.problems.push_back(
          {Errc::bad_config,
           key + " names kafka.status_topic, \"" + topic +
               "\": each outcome that is published there would be read as an event",
           key});
    if (topic.size() > name_max)
      loaded.problems.push_back({Errc::bad_config,
                                 key + " has a name of more than " + std::to_string(name_max) +
                                     " characters, which leaves no room for \"" +
                                     std::string(kafka::dead_letter_suffix) + '"',
                                 key});
  }
}

void check_relations(LoadedConfig& loaded) {
  const auto& config = loaded.values;
  auto problem = [&](std::string key, std::string sentence) {
    loaded.problems.push_back({Errc::bad_config, std::move(sentence), std::move(key)});
  };
  // A greater overlap would store most of a document more than twice.
  if (config.chunk.overlap * 2 > config.chunk.tokens)
    problem("chunk.overlap", "chunk.overlap may be at most half of chunk.tokens");
  const auto& seal = config.seal;
  if (!seal.keyring_file.empty()) {
    for (const auto& [key, value] : {std::pair{"seal.tenant_hmac_key", seal.tenant_hmac_key},
                                     {"seal.encryption_key", seal.encryption_key},
                                     {"seal.token_key", seal.token_key}})
      if (!value.empty())
        problem(key, "give either seal.keyring_file (" + loaded.origin.at("seal.keyring_file") +
                         ") or the single keys, not both: " + key + " (" +
                         loaded.origin.at(key) + ")");
  } else if (!seal.token_key.empty() && seal.encryption_key.empty()) {
    problem("seal.token_key",
            "seal.token_key is used only with seal.tenant_hmac_key and seal.encryption_key");
  }
  if (seal.keyring_file.empty() && seal.encryption_key.empty() != seal.tenant_hmac_key.empty())
    problem("seal.encryption_key",
            "seal.tenant_hmac_key and seal.encryption_key are given together or not at all");
  if (config.embedding.url.empty() != config.embedding.remote_model.empty())
    problem("embedding.url",
            "embedding.url and embedding.remote_model are given together or not at all");
  if (config.http.bytes_max < 4 * config.http.body_bytes_max)
    problem("http.bytes_max", "http.bytes_max must be at least four times http.body_bytes_max");
  // The leeway would otherwise outlast the tokens themselves.
  if (config.auth.leeway_s >= config.auth.lifetime_s_max)
    problem("auth.leeway_s", "auth.leeway_s must be less than auth.lifetime_s_max");
}

}  // namespace

std::string env_name(std::string_view key) {
  std::string name(env_prefix);
  for (const char c : key) {
    if (c == '.')
      name += "__";
    else
      name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

LoadedConfig load_config(const ConfigSources& sources) {
  LoadedConfig loaded;
  for (const auto& setting : settings()) loaded.origin[setting.key] = "default";
  if (sources.file) read_file(loaded, *sources.file);
  read_environment(loaded, sources.environment);
  for (const auto& [key, value] : sources.flags) apply(loaded, key, value, "flag");
  // Values that were not read keep their defaults, and checks against those would mislead.
  if (loaded.problems.empty()) {
    check_listeners(loaded);
    check_relations(loaded);
    check_topics(loaded);
  }
  warn_of_unread_variables(loaded, sources.environment);
  return loaded;
}

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    if (const auto equals = line.find('='); equals != std::string_view::npos)
      all.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return all;
}

}  // namespace memseal::app

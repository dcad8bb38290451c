#include "app/config/config.hpp"

#include "pure/codec/did_you_mean.hpp"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

namespace memseal::app {

namespace {

const Setting* find_setting(std::string_view key) {
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
  std::string sentence = "unknown config key \"" + key + "\" (" + origin + ")";
  const auto edits_max = std::max<std::size_t>(2, key.size() / 4);
  if (const auto near = codec::did_you_mean(key, known_keys(), edits_max))
    sentence.append("; did you mean \"").append(*near).append("\"?");
  else
    sentence += "; `memseal config show` lists all keys";
  return {Errc::bad_config, std::move(sentence), key};
}

void apply(LoadedConfig& loaded, const std::string& key, const std::string& value,
           const std::string& origin) {
  static const std::string properties = "kafka.properties.";
  if (key.starts_with(properties) && key.size() > properties.size()) {
    loaded.values.kafka.properties[key.substr(properties.size())] = value;
    loaded.origin["kafka.properties"] = origin;
    return;
  }
  const auto* setting = find_setting(key);
  if (setting == nullptr) {
    loaded.problems.push_back(unknown_key(key, origin));
    return;
  }
  if (auto outcome = setting->set(loaded.values, value); !outcome) {
    auto problem = outcome.error();
    problem.message += " (" + origin + ")";
    loaded.problems.push_back(std::move(problem));
    return;
  }
  loaded.origin[key] = origin;
}

void walk_yaml(LoadedConfig& loaded, const YAML::Node& node, const std::string& prefix,
               const std::string& file) {
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const auto origin = "file " + file + ":" + std::to_string(entry.first.Mark().line + 1);
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
      apply(loaded, key, entry.second.Scalar(), origin);
    else if (entry.second.IsSequence())
      loaded.problems.push_back(
          {Errc::bad_config, key + " takes one value, not a list (" + origin + ")", key});
  }
}

void read_file(LoadedConfig& loaded, const std::filesystem::path& path) {
  try {
    const auto root = YAML::LoadFile(path.string());
    if (root.IsMap())
      walk_yaml(loaded, root, "", path.string());
    else if (!root.IsNull())
      loaded.problems.push_back(
          {Errc::bad_config, path.string() + " must be a YAML map of sections", ""});
  } catch (const YAML::BadFile&) {
    loaded.problems.push_back(
        {Errc::bad_config,
         "cannot read the config file " + path.string() + "; `memseal config init` writes one",
         ""});
  } catch (const YAML::Exception& failure) {
    loaded.problems.push_back(
        {Errc::bad_config,
         path.string() + ":" + std::to_string(failure.mark.line + 1) + ": not YAML: " + failure.msg,
         ""});
  }
}

std::optional<std::string> read_secret_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string value{std::istreambuf_iterator<char>(file), {}};
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.pop_back();
  return value;
}

std::string key_of_env(std::string_view name) {
  std::string key;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 2) == "__") {
      key += '.';
      ++i;
    } else {
      key += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
    }
  }
  return key;
}

void read_environment(LoadedConfig& loaded,
                      const std::vector<std::pair<std::string, std::string>>& environment) {
  static constexpr std::string_view prefix = "MEMSEAL__";
  for (const auto& [name, value] : environment)
    for (const auto& setting : settings())
      if (!setting.env_alias.empty() && setting.env_alias == name)
        apply(loaded, setting.key, value, "env " + name);
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(prefix)) continue;
    const auto key = key_of_env(std::string_view(name).substr(prefix.size()));
    const auto origin = "env " + name;
    if (find_setting(key) == nullptr && key.ends_with("_file") &&
        find_setting(key.substr(0, key.size() - 5)) != nullptr) {
      if (auto content = read_secret_file(value))
        apply(loaded, key.substr(0, key.size() - 5), *content, origin);
      else
        loaded.problems.push_back(
            {Errc::bad_config, "cannot read " + value + " (" + origin + ")", key});
      continue;
    }
    apply(loaded, key, value, origin);
  }
}

void check_relations(LoadedConfig& loaded) {
  const auto& config = loaded.values;
  auto problem = [&](std::string key, std::string sentence) {
    loaded.problems.push_back({Errc::bad_config, std::move(sentence), std::move(key)});
  };
  if (config.chunk.overlap * 2 > config.chunk.tokens)
    problem("chunk.overlap", "chunk.overlap may be at most half of chunk.tokens");
  if (!config.seal.keyring_file.empty() && !config.seal.encryption_key.empty())
    problem("seal.keyring_file", "give either seal.keyring_file or the single keys, not both");
  if (config.seal.encryption_key.empty() != config.seal.tenant_hmac_key.empty())
    problem("seal.encryption_key",
            "seal.tenant_hmac_key and seal.encryption_key are given together or not at all");
  if (config.embedding.url.empty() != config.embedding.remote_model.empty())
    problem("embedding.url",
            "embedding.url and embedding.remote_model are given together or not at all");
  if (config.auth.leeway_s >= config.auth.lifetime_s_max)
    problem("auth.leeway_s", "auth.leeway_s must be less than auth.lifetime_s_max");
}

}  // namespace

std::string env_name(std::string_view key) {
  std::string name = "MEMSEAL__";
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
  if (loaded.problems.empty()) check_relations(loaded);
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

std::string config_template() {
  std::string yaml =
      "# memseal configuration. Every key may also be set by the environment variable named in\n"
      "# brackets or by `--set key=value`; flags win over the environment, which wins over this "
      "file.\n";
  const Config defaults;
  std::string section;
  for (const auto& setting : settings()) {
    const auto dot = setting.key.find('.');
    const auto own_section = dot == std::string::npos ? "" : setting.key.substr(0, dot);
    if (own_section != section) yaml += "\n" + own_section + ":\n";
    section = own_section;
    const std::string indent = section.empty() ? "" : "  ";
    const auto name = dot == std::string::npos ? setting.key : setting.key.substr(dot + 1);
    const auto value = setting.get(defaults);
    yaml += indent + "# " + setting.help + "  [" + env_name(setting.key) + "]\n";
    yaml += indent + (value.empty() ? "# " + name + ": \"\"" : name + ": " + value) + "\n";
  }
  return yaml;
}

}  // namespace memseal::app

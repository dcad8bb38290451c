#include "app/cli/config_check.hpp"
#include "app/cli/console.hpp"
#include "app/config/secrets.hpp"
#include "app/config/text_file.hpp"
#include "app/service/own_memory.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

LoadedConfig read_config_layers(const GlobalOptions& global) {
  // Settings may hold keys, and lead to more: whatever the command is.
  close_own_memory();
  ConfigSources sources;
  sources.environment = process_environment();
  for (const auto& [name, value] : sources.environment)
    if (name == "MEMSEAL_CONFIG" && !value.empty()) sources.file = value;
  if (!global.config_file.empty()) sources.file = global.config_file;
  std::vector<Error> problems;
  for (const auto& assignment : global.assignments) {
    const auto equals = assignment.find('=');
    if (equals == std::string::npos)
      problems.push_back({Errc::bad_config, "--set takes key=value, not \"" + assignment + "\""});
    else if (const auto key = assignment.substr(0, equals);
             holds_secret(key, assignment.substr(equals + 1)))
      problems.push_back({Errc::bad_config,
                          "--set " + key +
                              " shows a secret to every user of this machine, in the list of "
                              "processes; set " +
                              env_name(key) + ", or _FILE after that name, or a file of settings",
                          key});
    else
      sources.flags.emplace_back(key, assignment.substr(equals + 1));
  }
  auto loaded = load_config(sources);
  loaded.problems.insert(loaded.problems.end(), problems.begin(), problems.end());
  return loaded;
}

namespace {

void print_problems(const GlobalOptions& global, const LoadedConfig& loaded) {
  for (const auto& problem : loaded.problems) complain(problem);
  if (global.quiet) return;
  for (const auto& warning : loaded.warnings)
    std::fprintf(stderr, "memseal: warning: %s\n", warning.message.c_str());
}

json::array to_json(const std::vector<Error>& findings) {
  json::array list;
  for (const auto& finding : findings)
    list.push_back(json::object{{"key", finding.field}, {"message", finding.message}});
  return list;
}

}  // namespace

std::optional<LoadedConfig> read_sound_config(const GlobalOptions& global) {
  auto loaded = read_config_layers(global);
  print_problems(global, loaded);
  if (!loaded.problems.empty()) return std::nullopt;
  return loaded;
}

std::optional<Config> read_config(const GlobalOptions& global) {
  auto loaded = read_sound_config(global);
  if (!loaded) return std::nullopt;
  return std::move(loaded->values);
}

int cmd_config_check(const GlobalOptions& global) {
  auto loaded = read_config_layers(global);
  if (loaded.problems.empty()) check_for_serve(loaded);
  print_problems(global, loaded);
  const bool sound = loaded.problems.empty();
  const json::object report{{"ok", sound},
                            {"problems", to_json(loaded.problems)},
                            {"warnings", to_json(loaded.warnings)}};
  if (global.json && sound)
    print_json(report);
  else if (global.json)
    return print_failed_report(report, loaded.problems.front(), exit_usage);
  else if (sound)
    std::printf("the configuration is sound\n");
  return loaded.problems.empty() ? exit_ok : exit_usage;
}

int cmd_config_show(const GlobalOptions& global) {
  const auto loaded = read_config_layers(global);
  json::object all;
  std::size_t widest = 0;
  for (const auto& setting : settings()) widest = std::max(widest, setting.key.size());
  for (const auto& setting : settings()) {
    auto value = setting.get(loaded.values);
    if (setting.secret && !value.empty()) value = "(set)";
    const auto& origin = loaded.origin.at(setting.key);
    if (global.json)
      all[setting.key] = json::object{{"value", value},
                                      {"origin", origin},
                                      {"help", setting.help},
                                      {"env", env_name(setting.key)}};
    else
      std::printf("%-*s  %-36s  %s\n", static_cast<int>(widest), setting.key.c_str(),
                  value.empty() ? "\"\"" : value.c_str(), origin.c_str());
  }
  print_problems(global, loaded);
  if (global.json && loaded.problems.empty())
    print_json(all);
  else if (global.json)
    return print_failed_report(std::move(all), loaded.problems.front(), exit_usage);
  return loaded.problems.empty() ? exit_ok : exit_usage;
}

int cmd_config_table(const GlobalOptions& global) {
  if (global.json) {
    const Config defaults;
    json::array rows;
    for (const auto& setting : settings())
      rows.push_back(json::object{{"key", setting.key},
                                  {"default", setting.get(defaults)},
                                  {"allowed", setting.allowed()},
                                  {"secret", setting.secret},
                                  {"reloadable", setting.reloadable},
                                  {"env", env_name(setting.key)},
                                  {"help", setting.help}});
    print_json(rows);
    return exit_ok;
  }
  std::fputs(settings_table().c_str(), stdout);
  return exit_ok;
}

int cmd_config_init(const GlobalOptions& global, const std::string& file) {
  const auto text = config_template();
  if (file == "-") {
    if (global.json)
      print_json(json::object{{"file", file}, {"text", text}});
    else
      std::fputs(text.c_str(), stdout);
    return exit_ok;
  }
  if (auto written = write_new_file(file, text); !written) {
    complain(written.error());
    return exit_failed;
  }
  if (global.json) print_json(json::object{{"file", file}});
  if (!global.quiet) std::fprintf(stderr, "wrote %s\n", file.c_str());
  return exit_ok;
}

int cmd_version(const GlobalOptions& global) {
  if (global.json)
    print_json(json::object{{"version", MEMSEAL_VERSION}});
  else
    std::printf("memseal %s\n", MEMSEAL_VERSION);
  return exit_ok;
}

}  // namespace memseal::app

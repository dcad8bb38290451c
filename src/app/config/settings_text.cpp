// The table of settings as text: a YAML template and a page of documentation.
#include "app/config/config.hpp"

namespace memseal::app {

namespace {

// A bar would end a cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + cell(text) + "`"; }

constexpr const char* page_head =
    "# Settings\n"
    "\n"
    "Written by `memseal config table`, from the same rows that read the settings.\n"
    "[operations.md](operations.md#settings) says where settings come from.\n"
    "\n"
    "- In the environment `http.listen` is `MEMSEAL__HTTP__LISTEN`. Where another name stands "
    "below, it is valid too.\n"
    "- `MEMSEAL__HTTP__LISTEN_FILE` names a file with the value. This works for every setting.\n"
    "- A relative path in a YAML file starts at the folder of that file. Everywhere else it starts "
    "at the working directory.\n"
    "- `memseal config show` never prints a secret.\n";

std::string table_row(const Setting<Config>& row, const Config& defaults) {
  auto help = row.help;
  if (!row.env_alias.empty()) help += " (or `" + row.env_alias + "`)";
  return "| `" + row.key + "` | " + code(row.get(defaults)) + " | " +
         (row.secret ? "secret " : "") + cell(row.allowed()) + " | " +
         (row.reloadable ? "at once" : "at start") + " | " + cell(help) + " |\n";
}

}  // namespace

std::string config_template() {
  std::string yaml =
      "# memseal configuration. Every key may also be set by the environment variable named in\n"
      "# brackets or by `--set key=value`; flags win over the environment, which wins over this "
      "file.\n"
      "# A relative path in this file starts at the folder of the file.\n";
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
    // An empty value stays a comment, so that the template as it is changes nothing.
    yaml += indent + (value.empty() ? "# " + name + ": \"\"" : name + ": " + value) + "\n";
  }
  return yaml;
}

std::string settings_table() {
  std::string page = page_head;
  const Config defaults;
  for (const auto& [name, title] : sections()) {
    page += "\n## " + std::string(name) + ": " + std::string(title) + "\n\n";
    page += "| setting | default | value | takes effect | what it is |\n|---|---|---|---|---|\n";
    for (const auto& row : settings())
      if (row.key.starts_with(std::string(name) + ".")) page += table_row(row, defaults);
  }
  return page;
}

}  // namespace memseal::app

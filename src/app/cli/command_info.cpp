#include "app/cli/command_info.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace memseal::app {

namespace {

// CLI11 keeps one text below the options, so examples and notes travel in it together.
constexpr std::string_view examples_head = "Examples:\n";

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> choices_of(std::string_view check) {
  std::vector<std::string> choices;
  if (!check.starts_with('{') || !check.ends_with('}')) return choices;
  check = check.substr(1, check.size() - 2);
  while (!check.empty()) {
    const auto end = std::min(check.find(','), check.size());
    choices.emplace_back(check.substr(0, end));
    check.remove_prefix(std::min(end + 1, check.size()));
  }
  return choices;
}

/// "INT in [1 - 8]" as "1 to 8".
std::string range_of(std::string_view check) {
  const auto begin = check.find(" in ["), middle = check.find(" - ", begin), end = check.find(']');
  if (begin == check.npos || middle == check.npos || end == check.npos) return "";
  return std::string(check.substr(begin + 5, middle - begin - 5)) + " to " +
         std::string(check.substr(middle + 3, end - middle - 3));
}

std::string with_commas(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

OptionInfo describe_option(const CLI::Option& option) {
  OptionInfo info{.help = option.get_description(),
                  .required = option.get_required(),
                  .repeatable = option.get_expected_max() > 1};
  for (const auto& name : option.get_snames()) info.names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) info.names.push_back("--" + name);
  if (info.names.empty()) info.names.push_back(option.get_name());
  if (option.get_expected_max() == 0) return info;
  // The name of the type, then the names of the checks: "INT:INT in [1 - 8]".
  const auto type = option.get_type_name();
  const auto colon = std::min(type.find(':'), type.size());
  info.value = type.substr(0, colon);
  const auto check = std::string_view(type).substr(std::min(colon + 1, type.size()));
  info.choices = choices_of(check);
  std::string more = info.choices.empty() ? range_of(check) : with_commas(info.choices);
  if (const auto& standard = option.get_default_str(); !standard.empty())
    more += (more.empty() ? "default: " : "; default: ") + standard;
  if (!more.empty()) info.help += " (" + more + ")";
  return info;
}

void split_footer(CommandInfo& info, const std::string& footer) {
  const auto begin = footer.find(examples_head);
  info.notes = footer.substr(0, begin);
  while (info.notes.ends_with('\n')) info.notes.pop_back();
  if (begin == footer.npos) return;
  for (const auto& line : lines_of(std::string_view(footer).substr(begin + examples_head.size())))
    info.examples.push_back(line.substr(std::min<std::size_t>(2, line.size())));
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void describe_below(const CLI::App& app, std::vector<CommandInfo>& all) {
  all.push_back(describe_command(app));
  for (const auto* command : commands_of(app)) describe_below(*command, all);
}

}  // namespace

CommandInfo describe_command(const CLI::App& command) {
  CommandInfo info{.path = command.get_name(), .summary = command.get_description()};
  for (const auto* above = command.get_parent(); above != nullptr; above = above->get_parent())
    info.path = above->get_name() + " " + info.path;
  split_footer(info, command.get_footer());
  for (const auto* option : command.get_options()) {
    // `--help` is listed with the options of every command.
    if (command.get_parent() != nullptr && option == command.get_help_ptr()) continue;
    auto one = describe_option(*option);
    (one.is_argument() ? info.arguments : info.options).push_back(std::move(one));
  }
  for (const auto* below : commands_of(command)) {
    info.commands.push_back(below->get_name());
    info.summaries.push_back(below->get_description());
  }
  return info;
}

std::vector<CommandInfo> describe_commands(const CLI::App& program) {
  std::vector<CommandInfo> all;
  describe_below(program, all);
  return all;
}

const CommandInfo* find_command(const std::vector<CommandInfo>& all, std::string_view path) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const CommandInfo& one) { return one.path == path; });
  return found == all.end() ? nullptr : &*found;
}

void set_help(CLI::App& command, const std::vector<std::string>& examples,
              const std::string& notes) {
  std::string footer = notes;
  if (!examples.empty()) {
    if (!footer.empty()) footer += "\n\n";
    footer += examples_head;
    for (const auto& example : examples) footer += "  " + example + "\n";
    footer.pop_back();
  }
  command.footer(footer);
}

}  // namespace memseal::app

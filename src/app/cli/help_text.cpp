#include "app/cli/help_text.hpp"

#include <algorithm>
#include <cctype>

namespace memseal::app {

namespace {

constexpr std::size_t column = 26;  // where the explanations begin

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

/// `text` broken between words. Its first line begins at `begin`, the others at `indent`.
std::string wrapped(std::string_view text, std::size_t begin, std::size_t indent,
                    std::size_t width) {
  std::string out;
  std::size_t at = begin;
  bool fresh = true;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!fresh && at + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (!fresh) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
    fresh = false;
  }
  return out;
}

/// "  label      explanation". A long label has a line of its own.
std::string help_row(const std::string& label, const std::string& text, std::size_t width) {
  std::string line = "  " + label;
  if (line.size() + 2 > column)
    line += "\n" + std::string(column, ' ');
  else
    line.resize(column, ' ');
  return line + wrapped(text, column, column, width) + "\n";
}

std::string help_section(const std::string& title, const std::vector<OptionInfo>& options,
                         std::size_t width) {
  if (options.empty()) return "";
  std::string text = "\n" + title + ":\n";
  for (const auto& option : options) text += help_row(option_label(option), option.help, width);
  return text;
}

std::string indented(const std::string& text, std::size_t width) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    out += wrapped(std::string_view(text).substr(begin, end - begin), 0, 0, width) + "\n";
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string option_label(const OptionInfo& option) {
  if (option.is_argument()) return upper(option.names.front()) + (option.repeatable ? "..." : "");
  std::string label;
  for (const auto& name : option.names) label += (label.empty() ? "" : ", ") + name;
  return option.value.empty() ? label : label + " " + option.value;
}

std::string usage_line(const CommandInfo& command) {
  std::string line = command.path + " [OPTION...]";
  for (const auto& option : command.options)
    if (option.required) line += " " + option.names.back() + " " + option.value;
  for (const auto& argument : command.arguments) {
    const auto label = option_label(argument);
    line += " " + (argument.required ? label : "[" + label + "]");
  }
  return command.is_group() ? line + " COMMAND" : line;
}

std::string help_text(const CommandInfo& command, const CommandInfo& program, std::size_t width) {
  const bool whole = command.path == program.path;
  auto text = indented(command.summary, width) +
              "\nUsage: " + wrapped(usage_line(command), 7, 9, width) + "\n";
  if (command.is_group()) {
    text += "\nCommands:\n";
    for (std::size_t i = 0; i < command.commands.size(); ++i)
      text += help_row(command.commands[i], command.summaries[i], width);
  }
  text += help_section("Arguments", command.arguments, width);
  if (!whole) text += help_section("Options", command.options, width);
  text += help_section("Options of every command", program.options, width);
  if (!command.notes.empty()) text += "\n" + indented(command.notes, width);
  if (!command.examples.empty()) {
    text += "\nExamples:\n";
    for (const auto& example : command.examples) text += "  " + example + "\n";
  }
  return text;
}

}  // namespace memseal::app

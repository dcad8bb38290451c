#include "app/cli/man_page.hpp"

#include "app/cli/help_text.hpp"
#include "pure/codec/utf8_decode.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace memseal::app {

namespace {

/// `text` as troff prints it. A dash stays a dash, so that a command can be copied.
std::string troff_text(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto [point, size] = codec::decode_code_point(text, at);
    if (point >= 0x80) {
      char name[16];
      std::snprintf(name, sizeof name, "\\[u%04X]", static_cast<unsigned>(point));
      out += name;
    } else if (point == '\\') {
      out += "\\e";
    } else if (point == '-') {
      out += "\\-";
    } else if (point == '\'') {
      out += "\\(aq";
    } else if (point == '`') {
      out += "\\(ga";
    } else if (point == '~') {
      out += "\\(ti";
    } else if (point == '^') {
      out += "\\(ha";
    } else {
      out += static_cast<char>(point);
    }
    at += size;
  }
  return out;
}

/// A line of text. One that begins with a dot would be a request to troff.
std::string troff_line(std::string_view text) {
  return (text.starts_with('.') ? "\\&" : "") + troff_text(text) + "\n";
}

std::string troff_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += end == 0 ? ".PP\n" : troff_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string verbatim(std::string_view text) {
  std::string out = ".PP\n.nf\n";
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += troff_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + ".fi\n";
}

std::string dashed(std::string path) {
  std::replace(path.begin(), path.end(), ' ', '-');
  return path;
}

std::string option_list(const std::vector<OptionInfo>& options) {
  std::string out;
  for (const auto& option : options)
    out += ".TP\n\\fB" + troff_text(option_label(option)) + "\\fR\n" + troff_line(option.help);
  return out;
}

constexpr std::string_view exit_codes =
    ".SH EXIT STATUS\n"
    ".TP\n0\nDone.\n"
    ".TP\n1\nThe command failed, or its output could not be written.\n"
    ".TP\n2\nThe command line or the configuration is wrong.\n"
    ".TP\n3\nThe service does not answer or is not ready; \\fBdoctor\\fR found a fault.\n"
    ".TP\n4\nThe service answered 404.\n"
    ".TP\n5\nThe service answered 401 or 403.\n";

constexpr std::string_view environment =
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBMEMSEAL__SECTION__KEY\\fR\n"
    "The setting section.key. \\fBMEMSEAL__SECTION__KEY_FILE\\fR names a file with its value.\n"
    ".TP\n\\fBMEMSEAL_CONFIG\\fR\nThe YAML file, where \\fB\\-\\-config\\fR is not given.\n"
    ".TP\n\\fBMEMSEAL_TOKEN\\fR\nThe bearer token, where no option gives one.\n"
    ".TP\n\\fBMEMSEAL_CA_FILE\\fR\nAn authority to trust for https.\n"
    ".TP\n\\fBMEMSEAL_MODELS\\fR\nA directory of models.\n"
    ".TP\n\\fBNO_COLOR\\fR\nNot empty: no colours.\n";

std::string see_also(const CommandInfo& command, const CommandInfo& program) {
  std::string out = ".SH SEE ALSO\n";
  const bool whole = command.path == program.path;
  std::string list = whole ? "" : "\\fB" + program.path + "\\fR(1)";
  for (const auto& name : command.commands)
    list += (list.empty() ? "" : ",\n") + ("\\fB" + troff_text(dashed(command.path) + "-" + name)) +
            "\\fR(1)";
  return out + list + "\n";
}

}  // namespace

std::string man_file(const CommandInfo& command) { return dashed(command.path) + ".1"; }

std::string man_page(const CommandInfo& command, const CommandInfo& program) {
  const bool whole = command.path == program.path;
  auto title = dashed(command.path);
  std::transform(title.begin(), title.end(), title.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  auto summary = command.summary;
  std::replace(summary.begin(), summary.end(), '\n', ' ');
  if (whole) summary.erase(0, program.path.size() + 2);  // "memseal: "
  std::string page = ".TH " + troff_text(title) + " 1 \"\" \"memseal " MEMSEAL_VERSION "\"\n";
  page += ".SH NAME\n" + troff_text(dashed(command.path)) + " \\- " + troff_text(summary) + "\n";
  page += ".SH SYNOPSIS\n" + troff_line(usage_line(command));
  if (!command.arguments.empty()) page += ".SH ARGUMENTS\n" + option_list(command.arguments);
  if (command.is_group()) {
    page += ".SH COMMANDS\n";
    for (std::size_t i = 0; i < command.commands.size(); ++i)
      page += ".TP\n\\fB" + troff_text(command.commands[i]) + "\\fR\n" +
              troff_line(command.summaries[i]);
  }
  page += ".SH OPTIONS\n";
  if (!whole) page += option_list(command.options);
  if (!whole && !command.options.empty()) page += ".SS Options of every command\n";
  page += option_list(program.options);
  if (!command.notes.empty())
    page += ".SH NOTES\n" + (whole ? verbatim(command.notes) : troff_lines(command.notes));
  if (!command.examples.empty()) {
    std::string examples;
    for (const auto& example : command.examples) examples += example + "\n";
    page += ".SH EXAMPLES\n" + verbatim(examples);
  }
  page += exit_codes;
  page += environment;
  return page + see_also(command, program);
}

}  // namespace memseal::app

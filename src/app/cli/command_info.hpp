#pragma once
// The command table as data. Help, completions, man pages and suggestions are written from it.
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace memseal::app {

/// An option, or an argument: a word without a dash, known by its place.
struct OptionInfo {
  std::vector<std::string> names;    ///< "-k", "--top-k"; of an argument its only name
  std::string value;                 ///< what stands for its value: "FILE"; empty: takes none
  std::vector<std::string> choices;  ///< all values, if there are few
  std::string help;                  ///< with range, choices and default
  bool required = false;
  bool repeatable = false;

  bool is_argument() const { return !names.front().starts_with('-'); }
};

struct CommandInfo {
  std::string path;                   ///< "memseal keys init"; of the program "memseal"
  std::string summary;                ///< one clause; of the program a few lines
  std::string notes;                  ///< lines of at most 80 columns; may be empty
  std::vector<std::string> examples;  ///< whole command lines
  std::vector<OptionInfo> options;    ///< its own, without those of every command
  std::vector<OptionInfo> arguments;
  std::vector<std::string> commands;   ///< names of its subcommands
  std::vector<std::string> summaries;  ///< of its subcommands, in the same order

  /// Whether it does something itself. A group like `memseal keys` only has commands.
  bool is_group() const { return !commands.empty(); }
};

/// Every command of `program`: first the program, then each command, a group before its commands.
std::vector<CommandInfo> describe_commands(const CLI::App& program);

/// One command by itself.
CommandInfo describe_command(const CLI::App& command);

/// The entry whose path is `path`; null if there is none.
const CommandInfo* find_command(const std::vector<CommandInfo>& all, std::string_view path);

/// Sets what help and the man page show below the options.
void set_help(CLI::App& command, const std::vector<std::string>& examples,
              const std::string& notes = {});

}  // namespace memseal::app

// `memseal help`, `memseal completion` and `memseal man`: the command table in three forms.
#include "app/cli/command_table.hpp"
#include "app/cli/completion.hpp"
#include "app/cli/console.hpp"
#include "app/cli/help_text.hpp"
#include "app/cli/man_page.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/did_you_mean.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::string_view program_head = "memseal ";

int print_text(const GlobalOptions& global, const std::string& text) {
  if (global.json)
    print_json(json::object{{"text", text}});
  else
    std::fputs(text.c_str(), stdout);
  return exit_ok;
}

/// Every command below `group` that does something itself, for a program that walks the table.
json::array commands_below(const CommandInfo& group, const std::vector<CommandInfo>& all) {
  json::array commands;
  const auto head = group.path + " ";
  for (const auto& command : all)
    if (command.path.starts_with(head) && !command.is_group())
      commands.push_back(json::object{{"command", command.path.substr(program_head.size())},
                                      {"summary", command.summary}});
  return commands;
}

int cmd_help(const GlobalOptions& global, const std::vector<CommandInfo>& all,
             const std::vector<std::string>& words) {
  const auto* command = &all.front();
  for (const auto& word : words) {
    const auto* next = find_command(all, command->path + " " + word);
    if (next == nullptr) {
      const std::vector<std::string_view> known(command->commands.begin(), command->commands.end());
      const auto near = codec::did_you_mean(word, known);
      complain({Errc::bad_request, command->path + " has no command \"" + one_line(word, 60) +
                                       "\"" +
                                       (near ? "; did you mean " + std::string(*near) + "?" : "")});
      return exit_usage;
    }
    command = next;
  }
  const auto text = help_text(*command, all.front(), help_columns());
  if (!global.json) return print_text(global, text);
  print_json(json::object{{"text", text}, {"commands", commands_below(*command, all)}});
  return exit_ok;
}

int cmd_completion(const GlobalOptions& global, const std::vector<CommandInfo>& all,
                   const std::string& shell) {
  std::vector<std::string> keys;
  for (const auto& setting : settings()) keys.push_back(setting.key);
  return print_text(global, shell == "bash"  ? bash_completion(all, keys)
                            : shell == "zsh" ? zsh_completion(all, keys)
                                             : fish_completion(all, keys));
}

Result<void> write_page(const std::filesystem::path& file, const std::string& text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "wb"),
                                                            &std::fclose);
  const bool written = out && std::fwrite(text.data(), 1, text.size(), out.get()) == text.size() &&
                       std::fflush(out.get()) == 0;
  if (written) return {};
  return Error{Errc::bad_config,
               "cannot write " + file.string() + ": " + std::generic_category().message(errno)};
}

int cmd_man(const GlobalOptions& global, const std::vector<CommandInfo>& all,
            const std::string& directory) {
  if (directory.empty()) return print_text(global, man_page(all.front(), all.front()));
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    complain({Errc::bad_config, "cannot create " + directory + ": " + failure.message()});
    return exit_failed;
  }
  json::array files;
  for (const auto& command : all) {
    const auto file = std::filesystem::path(directory) / man_file(command);
    if (auto written = write_page(file, man_page(command, all.front())); !written) {
      complain(written.error());
      return exit_failed;
    }
    files.emplace_back(file.string());
  }
  if (global.json)
    print_json(json::object{{"files", std::move(files)}});
  else if (!global.quiet)
    std::fprintf(stderr, "wrote %zu manual pages to %s\n", all.size(), directory.c_str());
  return exit_ok;
}

}  // namespace

void add_help_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* help = app.add_subcommand("help", "Show the options and examples of a command");
  auto words = std::make_shared<std::vector<std::string>>();
  help->add_option("command", *words, "The command, as `keys init`")->type_name("COMMAND");
  set_help(*help, {"memseal help query", "memseal help keys init"});
  help->callback([&, words] {
    action = [&, words] { return cmd_help(global, describe_commands(app), *words); };
  });

  auto* completion = app.add_subcommand("completion", "Print a script that completes commands");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "The shell that reads the script")
      ->type_name("SHELL")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  set_help(*completion,
           {"source <(memseal completion bash)", "memseal completion zsh >~/.zfunc/_memseal",
            "memseal completion fish >~/.config/fish/completions/memseal.fish"});
  completion->callback([&, shell] {
    action = [&, shell] { return cmd_completion(global, describe_commands(app), *shell); };
  });

  auto* man = app.add_subcommand("man", "Print the manual page, or write all pages");
  auto directory = std::make_shared<std::string>();
  man->add_option("--dir", *directory, "Directory for a page of each command")->type_name("DIR");
  set_help(*man, {"memseal man | man -l -", "memseal man --dir ~/.local/share/man/man1"});
  man->callback([&, directory] {
    action = [&, directory] { return cmd_man(global, describe_commands(app), *directory); };
  });
}

}  // namespace memseal::app

#include "app/cli/cli.hpp"

#include "app/cli/command_info.hpp"
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/help_text.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/usage_error.hpp"
#include "runtime/log.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>

namespace memseal::app {

namespace {

std::string help_of(const CLI::App& command, const CLI::App& program) {
  return help_text(describe_command(command), describe_command(program), help_columns());
}

/// Parses the words and chooses the action. Returns an exit code if there is nothing left to do.
std::optional<int> parse(CLI::App& program, int argc, char** argv) {
  try {
    program.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    if (!names_unknown_command(program)) {
      std::fputs(help_of(chosen_command(program), program).c_str(), stdout);
      return exit_ok;
    }
    complain(usage_error(program, CLI::ExtrasError(program.remaining(true))).error);
  } catch (const CLI::CallForVersion& call) {
    std::printf("%s\n", call.what());
    return exit_ok;
  } catch (const CLI::ParseError& failure) {
    const auto found = usage_error(program, failure);
    if (found.nothing) {
      std::fputs(help_of(chosen_command(program), program).c_str(), stderr);
      std::fputs("\n", stderr);
    }
    complain(found.error);
    if (!found.nothing) hint(found.hint);
  }
  return exit_usage;
}

int act(const Action& action) {
  try {
    return action();
  } catch (...) {
    complain(error_of(std::current_exception()));
  }
  return exit_failed;
}

int run(CLI::App& program, const Action& action, int argc, char** argv) {
  const auto ended = parse(program, argc, argv);
  return ended ? *ended : act(action);
}

}  // namespace

int run_cli(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  begin_run();
  runtime::set_log_colours(allows_colours(process_environment()));
  // Words that cannot be understood get an answer in JSON too, so the flag is looked for first.
  char** const end = std::find(argv, argv + argc, std::string_view("--"));
  const bool as_json = std::find(argv, end, std::string_view("--json")) != end;
  CLI::App program;
  GlobalOptions global;
  Action action;
  add_commands(program, global, action);
  return end_run(as_json, run(program, action, argc, argv));
}

}  // namespace memseal::app

#include "app/cli/cli.hpp"

#include "app/cli/command_info.hpp"
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/help_text.hpp"
#include "app/cli/terminal.hpp"
#include "app/cli/usage_error.hpp"
#include "runtime/log.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <string_view>

namespace memseal::app {

namespace {

std::string help_of(const CLI::App& command, const CLI::App& program) {
  return help_text(describe_command(command), describe_command(program), help_columns());
}

/// Help and version are data that was asked for: with --json a value as any other.
void print_answer(const char* name, const std::string& text, bool as_json) {
  if (as_json)
    print_json(boost::json::object{{name, text}});
  else
    std::fputs(text.c_str(), stdout);
}

/// Parses the words and chooses the action. Returns an exit code if there is nothing left to do.
std::optional<int> parse(CLI::App& program, int argc, char** argv, bool as_json) {
  try {
    program.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    if (!names_unknown_command(program)) {
      print_answer("help", help_of(chosen_command(program), program), as_json);
      return exit_ok;
    }
    complain(usage_error(program, CLI::ExtrasError(program.remaining(true))).error);
  } catch (const CLI::CallForVersion& call) {
    if (as_json)
      print_answer("version", MEMSEAL_VERSION, true);
    else
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

bool has_flag(int argc, char** argv, std::initializer_list<std::string_view> spellings) {
  char** const end = std::find(argv, argv + argc, std::string_view("--"));
  return std::find_first_of(argv, end, spellings.begin(), spellings.end()) != end;
}

int act(const Action& action) {
  try {
    return action();
  } catch (...) {
    complain_of(std::current_exception());
  }
  return exit_failed;
}

int run(CLI::App& program, const Action& action, int argc, char** argv, bool as_json) {
  const auto ended = parse(program, argc, argv, as_json);
  return ended ? *ended : act(action);
}

}  // namespace

int run_cli(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  runtime::set_log_colours(allows_colours(process_environment()));
  // Words that cannot be understood get an answer in JSON too, so the flags are looked for first.
  const bool as_json = has_flag(argc, argv, {"--json", "--json=true"});
  begin_run(has_flag(argc, argv, {"-q", "--quiet", "--quiet=true"}));
  CLI::App program;
  GlobalOptions global;
  Action action;
  add_commands(program, global, action);
  const int code = run(program, action, argc, argv, as_json);
  return end_run(as_json || global.json, code);
}

}  // namespace memseal::app

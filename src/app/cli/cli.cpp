#include "app/cli/cli.hpp"

#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <exception>

namespace memseal::app {

namespace {

constexpr const char* overview =
    "memseal: the memory and knowledge service behind an AI assistant.\n"
    "Events go in by Kafka, are sealed per user, and come out ranked as Server-Sent Events.";

constexpr const char* lesson =
    "First steps:\n"
    "  memseal dev                          everything at once on this machine, prints a ready "
    "curl\n"
    "  memseal publish upload --user alice notes.md\n"
    "  memseal query \"what did I decide about backups?\"\n"
    "\n"
    "In production:\n"
    "  memseal config init memseal.yaml     a commented configuration\n"
    "  memseal keys init keyring            random keys, mode 0600\n"
    "  memseal migrate up                   create or update the schema\n"
    "  memseal doctor                       check every part, say how to fix it\n"
    "  memseal serve -c memseal.yaml\n"
    "\n"
    "Settings: flags > environment (MEMSEAL__SECTION__KEY) > YAML file > defaults.\n"
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not ready, 4 not found, 5 denied.";

int act(const Action& action) {
  try {
    return action();
  } catch (const Failure& failed) {
    complain(failed.error());
  } catch (const std::exception& failure) {
    complain({Errc::internal, failure.what()});
  }
  return exit_failed;
}

}  // namespace

int run_cli(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(overview, "memseal");
  app.footer(lesson);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "memseal " MEMSEAL_VERSION);
  GlobalOptions global;
  app.add_option("-c,--config", global.config_file, "YAML file (default: $MEMSEAL_CONFIG)");
  app.add_option("--set", global.assignments, "Override one setting: key=value; may be given again")
      ->allow_extra_args(false);
  app.add_flag("--json", global.json, "Print data as JSON");
  app.add_flag("-q,--quiet", global.quiet, "Print no progress");
  Action action;
  add_commands(app, global, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? exit_ok : exit_usage;
  }
  return act(action);
}

}  // namespace memseal::app

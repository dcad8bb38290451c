// `memseal smoke`: checks of a running deployment from outside, by two users.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/smoke_run.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>

namespace memseal::app {

int cmd_smoke(const GlobalOptions& global, const SmokeOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto target = read_smoke_target(*config, options);
  if (!target) return exit_usage;
  // A service that is not there fails no check: nothing is known about it.
  const auto reached = call_service(*config, options.service, {.path = "/health"});
  if (!reached) {
    complain(reached.error());
    return reached.error().code == Errc::bad_config ? exit_usage : exit_not_ready;
  }
  const auto tally = run_smoke(*target, !global.json);
  if (!global.json)
    std::printf("%zu of %zu passed in %.1f s\n", tally.passed, tally.total(), tally.ms / 1e3);
  std::optional<Error> fault;
  if (tally.passed < tally.total()) fault = {Errc::unavailable, "failed: " + tally.failed};
  return finish_report(global, tally.report(), fault, exit_failed);
}

void add_smoke_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* smoke = app.add_subcommand(
      "smoke", "Check a running deployment from outside: 13 checks as two users");
  auto options = std::make_shared<SmokeOptions>();
  add_service_options(*smoke, options->service);
  smoke->add_option("--other-token", options->other_token, "Bearer token of a second user")
      ->type_name("TOKEN");
  smoke->add_option("--other-token-file", options->other_token_file, "File with that token")
      ->type_name("FILE");
  set_help(*smoke,
           {"memseal smoke --url https://my.example --token-file a --other-token-file b",
            "memseal smoke --token $A --other-token $B --json"},
           "pipeline        ready; a document is stored; its user finds it in a stream\n"
           "authentication  no token, a forged one, valid ones\n"
           "isolation       the other user finds neither document nor operation\n"
           "limits          what is left of the bucket, a long question, nonsense\n"
           "Writes one document of the first user, memseal-smoke, and leaves it there.\n"
           "Exit code 1: a check failed, and the message names it.");
  smoke->callback([&, options] {
    action = [&global, options] { return cmd_smoke(global, *options); };
  });
}

}  // namespace memseal::app

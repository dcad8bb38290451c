// `memseal canary` in the table of commands.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_proxy(CLI::App& command, CanaryOptions& options) {
  command
      .add_option("--proxy", options.proxy,
                  "HAProxy's runtime API: path of its Unix socket, or HOST:PORT")
      ->type_name("ADDRESS")
      ->capture_default_str();
}

CLI::Option* add_list(CLI::App& command, const char* name, std::vector<std::int64_t>& list,
                      const char* help, std::int64_t least, std::int64_t most) {
  return command.add_option(name, list, help)
      ->type_name("N,N")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(least, most));
}

void add_urls(CLI::App& run, CanaryOptions& options) {
  run.add_option("--stable-url", options.stable_urls,
                 "Admin address of a process of the stable release; may be given again")
      ->type_name("URL")
      ->allow_extra_args(false);
  run.add_option("--canary-url", options.canary_urls,
                 "Admin address of a process of the canary release; may be given again")
      ->type_name("URL")
      ->allow_extra_args(false);
}

void add_stages(CLI::App& run, CanaryOptions& options) {
  constexpr std::int64_t week_s = 604'800, samples_most = 1'000'000'000;
  add_list(run, "--plan", options.plan,
           "Shares of the users, one for each stage (default: 5,25,100)", 1, 100);
  add_list(run, "--min-s", options.min_s,
           "Least seconds of each stage (default: 900 up to 10 %, 1800, 3600 at 100 %)", 0,
           week_s);
  add_list(run, "--max-s", options.max_s, "Most seconds of each stage (default: 14400)", 1, week_s);
  add_list(run, "--samples", options.samples,
           "Samples that each stage needs (default: 300 up to 10 %, 1200, 2500 at 100 %)", 1,
           samples_most);
  run.add_option("--settle-s", options.settle_s,
                 "Seconds at the start in which latency and memory do not count")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  run.add_option("--every-s", options.every_s, "Seconds between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 60))
      ->capture_default_str();
  run.add_option("--lease-s", options.lease_s,
                 "Seconds after which HAProxy sends nobody to a canary that no controller watches")
      ->type_name("SECONDS")
      ->check(CLI::Range(2, 300))
      ->capture_default_str();
  run.add_option("--memory-mib", options.memory_mib,
                 "Memory that a process of the canary may have; 0: not judged")
      ->type_name("MIB")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  run.add_flag("--stop-on-regression", options.stop_on_regression,
               "What is worse than stable is a breach, within its limit too");
}

void add_smoke(CLI::App& run, CanaryOptions& options) {
  add_service_options(run, options.smoke.service);
  run.add_option("--other-token", options.smoke.other_token, "Bearer token of a second user")
      ->type_name("TOKEN");
  run.add_option("--other-token-file", options.smoke.other_token_file, "File with that token")
      ->type_name("FILE");
  run.add_option("--smoke-key-file", options.smoke_key_file,
                 "File with the key by which HAProxy lets a request choose the canary")
      ->type_name("FILE");
  run.add_flag("--skip-smoke", options.skip_smoke, "No checks before the first user");
}

void add_run(CLI::App& canary, GlobalOptions& global, Action& action) {
  auto* run = canary.add_subcommand("run", "Roll a release out stage by stage, or take it back");
  auto options = std::make_shared<CanaryOptions>();
  add_proxy(*run, *options);
  add_urls(*run, *options);
  add_stages(*run, *options);
  add_smoke(*run, *options);
  run->add_option("--out", options->out, "Folder for the evidence and the state")
      ->type_name("DIR")
      ->required();
  run->add_flag("--resume", options->resume,
                "Go on with the rollout in --out, whose controller was lost");
  set_help(*run,
           {"memseal canary run --stable-url $OLD --canary-url $NEW --skip-smoke --out r7",
            "memseal canary run --resume --out r7"},
           "The checks before the first user need --url, the address of the proxy, two\n"
           "tokens and --smoke-key-file. docs/canary.md says what decides.\n"
           "SIGINT and SIGTERM take every user off the canary. Exit codes: 0 promoted,\n"
           "1 aborted, 3 inconclusive, or the checks could not be made, 6 a breach or a\n"
           "failed check.");
  run->callback([&, options] {
    action = [&global, options] { return cmd_canary_run(global, *options); };
  });
}

}  // namespace

void add_canary_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* canary = app.add_subcommand(
      "canary", "Give a release to more and more users, and take it back when it fails");
  canary->require_subcommand(1);
  add_run(*canary, global, action);
  auto* status = canary->add_subcommand("status", "Show what the proxy follows and has seen");
  auto options = std::make_shared<CanaryOptions>();
  add_proxy(*status, *options);
  status->add_option("--out", options->out, "Folder of a rollout, for its verdict")
      ->type_name("DIR");
  set_help(*status, {"memseal canary status", "memseal canary status --out r7 --json"});
  status->callback([&, options] {
    action = [&global, options] { return cmd_canary_status(global, *options); };
  });
  auto* abort = canary->add_subcommand(
      "abort", "Take every user off the canary, and end the controller of the rollout");
  add_proxy(*abort, *options);
  set_help(*abort, {"memseal canary abort"},
           "Returns once HAProxy has confirmed it. The controller ends at its next look.");
  abort->callback([&, options] {
    action = [&global, options] { return cmd_canary_abort(global, *options); };
  });
}

}  // namespace memseal::app

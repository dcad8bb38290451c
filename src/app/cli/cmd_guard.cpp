// `memseal guard`: whether a running service keeps its promises, by its metrics.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/guard_report.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdio>
#include <memory>

namespace memseal::app {

namespace json = boost::json;

namespace {

void wait_for(std::chrono::seconds time) {
  boost::asio::io_context loop(1);
  boost::asio::steady_timer timer(loop, time);
  timer.async_wait([](const boost::system::error_code&) {});
  loop.run();
}

}  // namespace

int cmd_guard_check(const GlobalOptions& global, const GuardOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  auto before = take_snapshot(*config, options.service);
  if (!before) return guard_failed(before.error());
  auto after = before;
  if (options.window_s == 0) {
    // Nothing before the start: what the process has counted in its whole life.
    before = guard::Snapshot{.at_s = before->at_s, .started_s = before->started_s};
  } else {
    wait_for(std::chrono::seconds(options.window_s));
    after = take_snapshot(*config, options.service);
    if (!after) return guard_failed(after.error());
  }
  const auto guardrails = policy::judge(guard::between(*before, *after));
  const auto verdict = policy::verdict_of(guardrails);
  if (!global.json)
    for (const auto& guardrail : guardrails) print_guardrail(guardrail);
  const std::string word(policy::verdict_name(verdict));
  if (!global.json) std::printf("%s\n", word.c_str());
  json::object report{{"verdict", word},
                      {"release", after->release},
                      {"window_s", options.window_s},
                      {"guardrails", guardrails_array(guardrails)}};
  std::optional<Error> fault;
  if (verdict == policy::Verdict::breach)
    fault = {Errc::unavailable, "breached: " + breached_names(guardrails)};
  return finish_report(global, std::move(report), fault, exit_finding);
}

namespace {

void add_watch(CLI::App& guard, GlobalOptions& global, Action& action) {
  auto* watch = guard.add_subcommand("watch", "Judge a service look by look, until a breach");
  auto options = std::make_shared<GuardOptions>();
  add_address_options(*watch, options->service, "http.admin_listen");
  watch->add_option("--window-s", options->window_s, "Seconds that each look judges")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  watch->add_option("--every-s", options->every_s, "Seconds between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3'600))
      ->capture_default_str();
  watch->add_option("--for-s", options->for_s, "Seconds after which all is well; 0: never")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 604'800))
      ->capture_default_str();
  watch->add_option("--baseline", options->baseline,
                    "Report of `guard check --json`; what is surely worse is found too")
      ->type_name("FILE");
  set_help(*watch,
           {"memseal guard watch --for-s 900",
            "memseal guard watch --url http://127.0.0.1:7401 --baseline before.json --json"},
           "Prints a verdict when it changes; with --json one object a look. A breach of\n"
           "zero tolerance ends the watch at once, another one at the second look in a\n"
           "row: exit code 6. A warning ends after three calm looks. Exit code 3: the\n"
           "metrics could not be read three times in a row.");
  watch->callback([&, options] {
    action = [&global, options] { return cmd_guard_watch(global, *options); };
  });
}

}  // namespace

void add_guard_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* guard =
      app.add_subcommand("guard", "Judge a running service by its metrics, and command its guard");
  guard->require_subcommand(1);
  auto* check = guard->add_subcommand("check", "Judge one window of time");
  auto options = std::make_shared<GuardOptions>();
  add_address_options(*check, options->service, "http.admin_listen");
  check->add_option("--window-s", options->window_s,
                    "Seconds to watch; 0 judges everything since the start of the process")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  set_help(*check,
           {"memseal guard check",
            "memseal guard check --url http://127.0.0.1:7401 --window-s 0 --json"},
           "The address is the admin listener's. Verdicts: ok, inconclusive (too few\n"
           "samples), warn, breach. Exit code 6: a guardrail is breached.");
  check->callback([&, options] {
    action = [&global, options] { return cmd_guard_check(global, *options); };
  });
  add_watch(*guard, global, action);
  add_guard_orders(*guard, global, action);
}

}  // namespace memseal::app

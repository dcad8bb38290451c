// `memseal guard check`: whether a running service keeps its promises, by its metrics.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/terminal_text.hpp"
#include "cases/guard/snapshot.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstdio>
#include <memory>

namespace memseal::app {

namespace json = boost::json;

namespace {

using Clock = std::chrono::steady_clock;

Result<guard::Snapshot> take_snapshot(const Config& config, const ServiceOptions& service) {
  const auto answer = call_service(config, service, {.path = "/metrics"});
  if (!answer) return answer.error();
  if (answer->status != 200)
    return Error{Errc::unavailable, "/metrics answers HTTP " + std::to_string(answer->status) +
                                        "; is this the address of http.admin_listen?"};
  return guard::read_snapshot(
      answer->body, std::chrono::duration<double>(Clock::now().time_since_epoch()).count());
}

void wait_for(std::chrono::seconds time) {
  boost::asio::io_context loop(1);
  boost::asio::steady_timer timer(loop, time);
  timer.async_wait([](const boost::system::error_code&) {});
  loop.run();
}

json::object object_of(const policy::Guardrail& guardrail) {
  json::object object{{"name", guardrail.name},
                      {"verdict", policy::verdict_name(guardrail.verdict)},
                      {"value", guardrail.value},
                      {"limit", guardrail.limit}};
  if (guardrail.samples_min > 0) {
    object["samples"] = guardrail.samples;
    object["samples_min"] = guardrail.samples_min;
  }
  return object;
}

void print_guardrail(const policy::Guardrail& guardrail) {
  const std::string name(guardrail.name), verdict(policy::verdict_name(guardrail.verdict));
  std::printf("%-12s %-20s %.4f (limit %.4f)", verdict.c_str(), name.c_str(), guardrail.value,
              guardrail.limit);
  if (guardrail.samples_min > 0)
    std::printf(", %llu samples of %llu", static_cast<unsigned long long>(guardrail.samples),
                static_cast<unsigned long long>(guardrail.samples_min));
  std::printf("\n");
}

int failed(const Error& error) {
  complain(error);
  return error.code == Errc::bad_config ? exit_usage : exit_not_ready;
}

}  // namespace

int cmd_guard_check(const GlobalOptions& global, const GuardOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  auto before = take_snapshot(*config, options.service);
  if (!before) return failed(before.error());
  auto after = before;
  if (options.window_s == 0) {
    // Nothing before the start: what the process has counted in its whole life.
    before = guard::Snapshot{.at_s = before->at_s, .started_s = before->started_s};
  } else {
    wait_for(std::chrono::seconds(options.window_s));
    after = take_snapshot(*config, options.service);
    if (!after) return failed(after.error());
  }
  const auto guardrails = policy::judge(guard::between(*before, *after));
  const auto verdict = policy::verdict_of(guardrails);
  json::array all;
  std::string broken;
  for (const auto& guardrail : guardrails) {
    if (!global.json) print_guardrail(guardrail);
    all.push_back(object_of(guardrail));
    if (guardrail.verdict == policy::Verdict::breach)
      broken += (broken.empty() ? "" : ", ") + std::string(guardrail.name);
  }
  const std::string word(policy::verdict_name(verdict));
  if (!global.json) std::printf("%s\n", word.c_str());
  json::object report{{"verdict", word},
                      {"release", after->release},
                      {"window_s", options.window_s},
                      {"guardrails", std::move(all)}};
  std::optional<Error> fault;
  if (verdict == policy::Verdict::breach) fault = {Errc::unavailable, "breached: " + broken};
  return finish_report(global, std::move(report), fault, exit_finding);
}

void add_guard_command(CLI::App& app, GlobalOptions& global, Action& action) {
  auto* guard = app.add_subcommand("guard", "Judge a running service by its metrics");
  guard->require_subcommand(1);
  auto* check = guard->add_subcommand("check", "Judge one window of time");
  auto options = std::make_shared<GuardOptions>();
  add_address_options(*check, options->service);
  check->add_option("--window-s", options->window_s,
                    "Seconds to watch; 0 judges everything since the start of the process")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  set_help(*check,
           {"memseal guard check --url http://127.0.0.1:7401",
            "memseal guard check --url http://127.0.0.1:7401 --window-s 0 --json"},
           "The address is the admin listener's. Verdicts: ok, inconclusive (too few\n"
           "samples), warn, breach. Exit code 6: a guardrail is breached.");
  check->callback([&, options] {
    action = [&global, options] { return cmd_guard_check(global, *options); };
  });
}

}  // namespace memseal::app

// `memseal smoke`: checks of a running deployment from outside, by two users.
#include "app/cli/command_table.hpp"
#include "app/cli/console.hpp"
#include "app/cli/smoke_checks.hpp"
#include "app/cli/terminal_text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>

namespace memseal::app {

namespace json = boost::json;

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// What `body` saw; an answer that did not come is a fault as well.
template <class Body>
SmokeFault fault_of(const Body& body) {
  try {
    return body();
  } catch (...) {
    return error_of(std::current_exception()).message;
  }
}

/// Both tokens, of two users. Empty after the cause was printed.
std::optional<SmokeTarget> read_target(const Config& config, const SmokeOptions& options) {
  ServiceOptions second;
  second.token = options.other_token;
  second.token_file = options.other_token_file;
  if (second.token.empty() && second.token_file.empty()) {
    complain({Errc::bad_config,
              "the token of a second user is needed: --other-token-file FILE or --other-token",
              "--other-token"});
    return {};
  }
  auto token = read_token(options.service), other = read_token(second);
  if (!token || !other) {
    complain(token ? other.error() : token.error());
    return {};
  }
  const auto user = claim_of(*token, "sub"), other_user = claim_of(*other, "sub");
  if (user.empty() || other_user.empty() || user == other_user) {
    complain({Errc::bad_config,
              user.empty() || other_user.empty()
                  ? "a token is missing or names no user (claim sub)"
                  : "both tokens are of one user: isolation needs two",
              user.empty() ? "--token" : "--other-token"});
    return {};
  }
  return SmokeTarget{config, options.service, std::move(*token), std::move(*other)};
}

struct Tally {
  json::array checks;
  std::size_t passed = 0;
  std::string failed;  ///< names, comma-separated
};

void run_check(const SmokeCheck& check, bool as_json, Tally& tally) {
  const auto start = Clock::now();
  const auto fault = fault_of(check.run);
  const auto ms = ms_since(start);
  const auto name = std::string(check.suite) + "." + check.name;
  if (!fault)
    ++tally.passed;
  else
    tally.failed += (tally.failed.empty() ? "" : ", ") + name;
  const auto detail = one_line(fault.value_or(check.holds), 500);
  tally.checks.push_back(json::object{{"suite", check.suite},
                                      {"name", check.name},
                                      {"passed", !fault},
                                      {"detail", detail},
                                      {"ms", ms}});
  if (!as_json)
    std::printf("%s %-28s %s\n", fault ? "FAIL" : "ok  ", name.c_str(), detail.c_str());
  std::fflush(stdout);
}

}  // namespace

int cmd_smoke(const GlobalOptions& global, const SmokeOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto target = read_target(*config, options);
  if (!target) return exit_usage;
  const auto start = Clock::now();
  // A service that is not there fails no check: nothing is known about it.
  const auto reached = call_service(*config, options.service, {.path = "/health"});
  if (!reached) {
    complain(reached.error());
    return reached.error().code == Errc::bad_config ? exit_usage : exit_not_ready;
  }
  Tally tally;
  for (const auto& check : smoke_checks(*target)) run_check(check, global.json, tally);
  const auto left = fault_of([&] { return smoke_clean_up(*target); });
  const auto total = tally.checks.size();
  json::object report{{"passed", tally.passed},
                      {"total", total},
                      {"cleaned_up", !left},
                      {"ms", ms_since(start)},
                      {"checks", std::move(tally.checks)}};
  if (!global.json) {
    if (left) std::printf("the document memseal-smoke was left behind: %s\n", left->c_str());
    std::printf("%zu of %zu passed in %.1f s\n", tally.passed, total, ms_since(start) / 1e3);
  }
  std::optional<Error> fault;
  if (tally.passed < total) fault = {Errc::unavailable, "failed: " + tally.failed};
  return finish_report(global, std::move(report), fault, exit_failed);
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

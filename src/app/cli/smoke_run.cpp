#include "app/cli/smoke_run.hpp"

#include "app/cli/console.hpp"
#include "app/cli/terminal_text.hpp"

#include <chrono>
#include <cstdio>
#include <exception>

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

void run_check(const SmokeCheck& check, bool prints, SmokeTally& tally) {
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
  if (prints)
    std::printf("%s %-28s %s\n", fault ? "FAIL" : "ok  ", name.c_str(), detail.c_str());
  std::fflush(stdout);
}

}  // namespace

std::optional<SmokeTarget> read_smoke_target(const Config& config, const SmokeOptions& options) {
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

json::object SmokeTally::report() const {
  return {{"passed", passed},
          {"total", total()},
          {"cleaned_up", !left},
          {"ms", ms},
          {"checks", checks}};
}

SmokeTally run_smoke(const SmokeTarget& target, bool prints,
                     const std::function<bool()>& goes_on) {
  const auto start = Clock::now();
  SmokeTally tally;
  for (const auto& check : smoke_checks(target)) {
    if (goes_on && !goes_on()) break;
    run_check(check, prints, tally);
  }
  tally.left = fault_of([&] { return smoke_clean_up(target); });
  tally.ms = ms_since(start);
  if (prints && tally.left)
    std::printf("the document memseal-smoke was left behind: %s\n", tally.left->c_str());
  return tally;
}

}  // namespace memseal::app

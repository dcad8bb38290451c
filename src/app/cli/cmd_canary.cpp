// `memseal canary`: a release for more and more users, judged by itself and taken back by itself.
#include "adapters/haproxy/traffic.hpp"
#include "app/cli/canary_folder.hpp"
#include "app/cli/canary_plan.hpp"
#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/guard_report.hpp"
#include "app/cli/smoke_run.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/text_file.hpp"
#include "app/service/guard_json.hpp"
#include "pure/codec/json.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

using Clock = std::chrono::steady_clock;

double steady_s() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

Clock::time_point at(double steady) {
  return Clock::time_point(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(steady)));
}

void pause_for(double seconds) {
  boost::asio::io_context loop(1);
  boost::asio::steady_timer timer(loop, at(steady_s() + seconds));
  timer.async_wait([](const boost::system::error_code&) {});
  loop.run();
}

Result<std::string> read_page(const Config& config, const CanaryOptions& options,
                              const std::string& url) {
  ServiceOptions service;
  service.url = url;
  service.ca_file = options.smoke.service.ca_file;
  // The lease allows a second for each process (canary::why_unfit()): a page that takes longer must
  // not let it end.
  const std::chrono::seconds patience(1);
  const auto answer = call_service(
      config, service, {.path = "/metrics", .silence_max = patience, .total_max = patience});
  if (!answer) return answer.error();
  if (answer->status != 200)
    return Error{Errc::unavailable, "/metrics answers HTTP " + std::to_string(answer->status) +
                                        "; is this the address of http.admin_listen?"};
  return answer->body;
}

void print_note(std::string_view event, const std::vector<canary::Fact>& facts) {
  std::printf("%-12s", std::string(event).c_str());
  for (const auto& [name, value] : facts) {
    const auto text = std::visit(
        [](const auto& one) -> std::string {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::string>)
            return one;
          else if constexpr (std::is_same_v<std::decay_t<decltype(one)>, bool>)
            return one ? "yes" : "no";
          else
            return std::to_string(std::llround(one));
        },
        value);
    std::printf(" %s=%s", std::string(name).c_str(), one_line(text, 500).c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
}

/// Checks the canary by its forced route, and keeps the report.
std::function<std::optional<std::string>()> smoke_of(const CanaryOptions& options,
                                                     CanaryFolder& folder,
                                                     const canary::State& state,
                                                     SmokeTarget target, bool prints) {
  return [&options, &folder, &state, prints,
          target = std::move(target)]() mutable -> std::optional<std::string> {
    // The slot is known only once the controller has read the proxy, so it is read here, when the
    // checks run.
    const auto key = read_secret_text(options.smoke_key_file, secret_file_bytes_max).value();
    target.headers = {{"X-Memseal-Slot", ports::slot_name(state.canary)},
                      {"X-Memseal-Smoke-Key", key.substr(0, key.find_last_not_of(" \r\n") + 1)}};
    const auto tally = run_smoke(target, prints, [] { return wait_until(Clock::now()); });
    folder.write("smoke.json", codec::compact_json(tally.report()) + "\n");
    if (tally.passed < tally.total()) return "smoke checks failed: " + tally.failed;
    return {};
  };
}

int exit_code_of_rollout(canary::Verdict verdict) {
  switch (verdict) {
    case canary::Verdict::promoted: return exit_ok;
    case canary::Verdict::breach: return exit_finding;
    case canary::Verdict::inconclusive:
    case canary::Verdict::refused: return exit_not_ready;
    case canary::Verdict::running:
    case canary::Verdict::aborted: return exit_failed;
  }
  return exit_failed;
}

int tell_outcome(const GlobalOptions& global, const canary::Outcome& outcome,
                 const canary::State& state, CanaryFolder& folder) {
  const std::string word(canary::verdict_name(outcome.verdict));
  json::array reasons(outcome.reasons.begin(), outcome.reasons.end());
  json::object report{{"verdict", word},
                      {"reasons", reasons},
                      {"percent", outcome.percent},
                      {"users_are_off", outcome.users_are_off},
                      {"guardrails", guardrails_array(outcome.guardrails)}};
  folder.write("verdict.json", codec::compact_json(report) + "\n");
  if (!global.json) {
    for (const auto& guardrail : outcome.guardrails) print_guardrail(guardrail);
    std::printf("%s\n", word.c_str());
  }
  std::optional<Error> fault;
  std::string why;
  for (const auto& reason : outcome.reasons) why += (why.empty() ? "" : "; ") + reason;
  if (outcome.verdict != canary::Verdict::promoted) fault = {Errc::unavailable, word + ": " + why};
  const int code =
      finish_report(global, std::move(report), fault, exit_code_of_rollout(outcome.verdict));
  if (outcome.verdict == canary::Verdict::promoted)
    hint(std::string("write \"stable ") + ports::slot_name(state.canary) + "\" and \"canary " +
         ports::slot_name(ports::other_slot(state.canary)) +
         "\" into the file slots.map, because a reload of HAProxy reads it");
  if (fault && !outcome.users_are_off)
    hint("HAProxy has not confirmed that the canary has no users: its lease ends within " +
         std::to_string(std::lround(state.lease_s)) + " s; look with `memseal canary status`");
  return code;
}

int refuse(const Error& error) {
  complain(error);
  return error.code == Errc::bad_config ? exit_usage : exit_not_ready;
}

/// The state that a new rollout begins with, or that of the folder to go on with.
Result<canary::State> first_state(const CanaryOptions& options, const Config& config) {
  if (!options.resume) return make_canary_state(options, config.guard.limits());
  auto state = CanaryFolder::read_state(options.out);
  if (!state) return state;
  // A rollout that was judged is not judged again: its users were taken off for a reason.
  if (state->verdict != canary::Verdict::running)
    return Error{Errc::bad_config,
                 "the rollout in " + options.out + " has ended: " +
                     std::string(canary::verdict_name(state->verdict)),
                 "--resume"};
  if (!state->smoked)
    return Error{Errc::bad_config,
                 "the rollout in " + options.out + " had no users yet; begin again", "--resume"};
  return state;
}

}  // namespace

int cmd_canary_run(const GlobalOptions& global, const CanaryOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  auto first = first_state(options, *config);
  if (!first) return refuse(first.error());
  auto traffic = haproxy::open_traffic(first->proxy);
  if (!traffic) return refuse(traffic.error());
  const bool smokes = !options.resume && !options.skip_smoke;
  if (smokes && options.smoke_key_file.empty())
    return refuse({Errc::bad_config,
                   "the checks before the first user need --smoke-key-file; --skip-smoke leaves "
                   "them out",
                   "--smoke-key-file"});
  const auto target =
      smokes ? read_smoke_target(*config, options.smoke) : std::optional<SmokeTarget>();
  if (smokes && !target) return exit_usage;
  auto folder = options.resume ? CanaryFolder::open(options.out)
                               : CanaryFolder::create(options.out);
  if (!folder) return refuse(folder.error());
  if (!global.json) (*folder)->on_note = print_note;
  const Interruptible interruptible;
  canary::World world{.record = **folder,
                      .page = [&](const std::string& url) {
                        return read_page(*config, options, url);
                      },
                      .steady_s = steady_s,
                      .unix_s = [] { return runtime::unix_ms() / 1'000; },
                      .wait_until = [](double time) { return wait_until(at(time)); },
                      .pause = pause_for};
  canary::Controller controller(*first, **traffic, world);
  if (target) {
    world.smoke = smoke_of(options, **folder, controller.state(), *target, !global.json);
    world.smoke_requests = 13;  // each check asks at least once
  }
  const auto outcome = options.resume ? controller.resume() : controller.run();
  return tell_outcome(global, outcome, controller.state(), **folder);
}

namespace {

json::object traffic_object(const ports::TrafficState& state, ports::Traffic& traffic) {
  const auto left = std::max<std::int64_t>(0, state.lease_until_s - runtime::unix_ms() / 1'000);
  json::object object{{"stable", ports::slot_name(state.stable)},
                      {"canary", ports::slot_name(state.canary)},
                      {"percent", left > 0 ? state.users * 100.0 / state.every_user : 0.0},
                      {"lease_left_s", left},
                      {"rollout", state.rollout}};
  for (const auto slot : {ports::Slot::a, ports::Slot::b}) {
    const auto counts = traffic.counts(slot);
    object[std::string("slot_") + ports::slot_name(slot)] =
        json::object{{"requests", counts.requests},
                     {"server_errors", counts.server_errors},
                     {"cut", counts.cut},
                     {"active", counts.active}};
  }
  return object;
}

void print_status(const json::object& status) {
  for (const auto& [name, value] : status) {
    const std::string key(name);
    std::printf("%-12s %s\n", key.c_str(), one_line(text_of(status, key), 200).c_str());
  }
}

}  // namespace

int cmd_canary_status(const GlobalOptions& global, const CanaryOptions& options) {
  auto traffic = haproxy::open_traffic(options.proxy);
  if (!traffic) return refuse(traffic.error());
  json::object status;
  try {
    status = traffic_object((*traffic)->read(), **traffic);
  } catch (const Failure& failure) {
    return refuse(failure.error());
  }
  if (!options.out.empty()) {
    const auto state = CanaryFolder::read_state(options.out);
    if (!state) return refuse(state.error());
    status["verdict"] = canary::verdict_name(state->verdict);
  }
  if (global.json)
    print_json(status);
  else
    print_status(status);
  return exit_ok;
}

int cmd_canary_abort(const GlobalOptions& global, const CanaryOptions& options) {
  auto traffic = haproxy::open_traffic(options.proxy);
  if (!traffic) return refuse(traffic.error());
  try {
    auto state = (*traffic)->read();
    state.users = 0;
    state.lease_until_s = 0;
    // The name too, because the controller would write its users back at its next look.
    state.rollout = canary::aborted_rollout;
    (*traffic)->write(state);
    if (global.json) print_json(traffic_object(state, **traffic));
  } catch (const Failure& failure) {
    return refuse(failure.error());
  }
  if (!global.json) std::printf("no user is sent to the canary any more\n");
  return exit_ok;
}

}  // namespace memseal::app

#include "cases/guard/settings.hpp"

namespace memseal::guard {

namespace {

constexpr std::int64_t day_s = 86'400, least_samples = 20, most_samples = 1'000'000;

}  // namespace

policy::GuardLimits Settings::limits() const {
  const auto share = [](std::int64_t permille) { return static_cast<double>(permille) / 1'000; };
  const auto samples = [](std::int64_t count) { return static_cast<std::uint64_t>(count); };
  return {.slow = share(slow_permille),
          .cut = share(cut_permille),
          .errors = share(errors_permille),
          .queries_min = samples(queries_min),
          .streams_min = samples(streams_min),
          .requests_min = samples(requests_min)};
}

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {
      choice("guard.mode", "what a breached guardrail does: observe only logs what act would do",
             {"off", "observe", "act"}, &Settings::mode),
      choice("guard.furthest", "last action that is taken; those after it never are",
             {"rerank_off", "ingest_paused", "unready"}, &Settings::furthest),
      number("guard.interval_s", "seconds between two looks at the metrics", 1, 300,
             &Settings::interval_s),
      number("guard.window_s", "seconds that one look judges", 1, day_s, &Settings::window_s),
      number("guard.hold_s", "least seconds between two actions, and of one action", 1, day_s,
             &Settings::hold_s),
      number("guard.hold_max_s",
             "most seconds that an action is held which comes back, and those for which a "
             "breach of isolation is",
             1, 7 * day_s, &Settings::hold_max_s),
      number("guard.clean_windows", "windows without a bad look before an action ends", 1, 1'000,
             &Settings::clean_windows),
      number("guard.slow_permille",
             "first results and answers over 1.5 s that are allowed, of 1,000", 1, 1'000,
             &Settings::slow_permille),
      number("guard.cut_permille", "event streams cut that are allowed, of 1,000", 1, 1'000,
             &Settings::cut_permille),
      number("guard.errors_permille", "answers with a 5xx that are allowed, of 1,000", 1, 1'000,
             &Settings::errors_permille),
      number("guard.queries_min", "queries from which their share is judged", least_samples,
             most_samples, &Settings::queries_min),
      number("guard.streams_min", "event streams from which their share is judged", least_samples,
             most_samples, &Settings::streams_min),
      number("guard.requests_min", "requests from which their share is judged", least_samples,
             most_samples, &Settings::requests_min),
      path("guard.baseline_file",
           "report of `guard check --json` of the release before; what is surely worse is a "
           "breach too",
           &Settings::baseline_file)};
}

}  // namespace memseal::guard

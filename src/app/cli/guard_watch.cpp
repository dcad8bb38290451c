// `memseal guard watch`: verdicts, look by look, until one is a breach.
#include "app/cli/child_process.hpp"
#include "app/cli/console.hpp"
#include "app/cli/guard_report.hpp"

#include <chrono>
#include <cstdio>
#include <deque>
#include <optional>

namespace memseal::app {

namespace json = boost::json;

namespace {

using Clock = std::chrono::steady_clock;

/// A page that cannot be read so often in a row is no accident.
constexpr int unread_max = 3;

/// The snapshots of the last window, and what is judged by them.
class Looks {
 public:
  Looks(double window_s, policy::Baseline baseline)
      : window_s_(window_s), baseline_(std::move(baseline)) {}

  /// Nothing at the first look, which has nothing to compare with.
  std::optional<std::vector<policy::Guardrail>> add(guard::Snapshot snapshot) {
    // The newest one that is older than the window stays.
    while (taken_.size() > 1 && snapshot.at_s - taken_[1].at_s >= window_s_) taken_.pop_front();
    taken_.push_back(std::move(snapshot));
    if (taken_.size() < 2) return std::nullopt;
    return policy::against(policy::judge(guard::between(taken_.front(), taken_.back())),
                           baseline_);
  }
  const std::string& release() const { return taken_.back().release; }
  double seconds() const { return taken_.back().at_s - taken_.front().at_s; }

 private:
  const double window_s_;
  const policy::Baseline baseline_;
  std::deque<guard::Snapshot> taken_;
};

void print_look(const GlobalOptions& global, const Looks& looks, policy::Verdict held,
                bool changed, const std::vector<policy::Guardrail>& guardrails) {
  const std::string word(policy::verdict_name(held));
  if (global.json) {
    print_json(json::object{{"verdict", word},
                            {"release", looks.release()},
                            {"window_s", looks.seconds()},
                            {"guardrails", guardrails_array(guardrails)}});
  } else if (changed) {
    std::printf("%s\n", word.c_str());
    for (const auto& guardrail : guardrails)
      if (guardrail.verdict >= policy::Verdict::warn) print_guardrail(guardrail);
  }
  std::fflush(stdout);
}

}  // namespace

int cmd_guard_watch(const GlobalOptions& global, const GuardOptions& options) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  policy::Baseline baseline;
  if (!options.baseline.empty()) {
    auto read = read_baseline(options.baseline);
    if (!read) return guard_failed(read.error());
    baseline = std::move(*read);
  }
  const Interruptible interruptible;
  const auto start = Clock::now();
  Looks looks(static_cast<double>(options.window_s), std::move(baseline));
  policy::GuardWatch watch;
  int unread = 0;
  for (std::int64_t look = 1;; ++look) {
    auto snapshot = take_snapshot(*config, options.service);
    unread = snapshot ? 0 : unread + 1;
    if (unread == unread_max || (!snapshot && snapshot.error().code == Errc::bad_config))
      return guard_failed(snapshot.error());
    if (snapshot) {
      if (const auto guardrails = looks.add(std::move(*snapshot))) {
        const auto before = watch.verdict();
        const auto held = watch.see(*guardrails);
        print_look(global, looks, held, held != before || look == 2, *guardrails);
        if (held == policy::Verdict::breach) {
          complain({Errc::unavailable, "breached: " + breached_names(*guardrails)});
          return exit_finding;
        }
      }
    }
    const auto next = start + look * std::chrono::seconds(options.every_s);
    const bool over = options.for_s > 0 && next - start > std::chrono::seconds(options.for_s);
    if (over || !wait_until(next)) return exit_ok;
  }
}

}  // namespace memseal::app

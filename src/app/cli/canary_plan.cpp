#include "app/cli/canary_plan.hpp"

#include "pure/crypto/random.hpp"

namespace memseal::app {

namespace {

/// Item `i` of a list that has one for each stage, one for all, or none.
Result<double> item_of(const std::vector<std::int64_t>& list, std::size_t i, std::size_t stages,
                       double otherwise, const char* option) {
  if (list.empty()) return otherwise;
  if (list.size() == 1) return static_cast<double>(list.front());
  if (list.size() != stages)
    return Error{Errc::bad_config,
                 std::string(option) + " takes one number, or one for each of the " +
                     std::to_string(stages) + " stages of --plan",
                 option};
  return static_cast<double>(list[i]);
}

double usual_min_s(int percent) { return percent <= 10 ? 900 : percent < 100 ? 1'800 : 3'600; }

}  // namespace

Result<canary::State> make_canary_state(const CanaryOptions& options,
                                        const policy::GuardLimits& limits) {
  if (options.stable_urls.empty() || options.canary_urls.empty())
    return Error{Errc::bad_config,
                 "a new rollout needs --stable-url and --canary-url: the admin addresses of the "
                 "processes of both releases",
                 options.stable_urls.empty() ? "--stable-url" : "--canary-url"};
  canary::State state;
  state.rollout = "rollout-" + crypto::random_uuid().to_string();
  state.proxy = options.proxy;
  state.stable_urls = options.stable_urls;
  state.canary_urls = options.canary_urls;
  state.every_s = static_cast<double>(options.every_s);
  state.lease_s = static_cast<double>(options.lease_s);
  auto& plan = state.plan;
  plan.settle_s = static_cast<double>(options.settle_s);
  plan.limits.shares = limits;
  plan.limits.memory_bytes = static_cast<double>(options.memory_mib) * (1 << 20);
  plan.limits.regressions_stop = options.stop_on_regression;
  const auto stages = options.plan.size();
  for (std::size_t i = 0; i < stages; ++i) {
    const auto percent = static_cast<int>(options.plan[i]);
    const auto usual = static_cast<double>(policy::canary_gate(percent, limits).samples_min);
    const auto min_s = item_of(options.min_s, i, stages, usual_min_s(percent), "--min-s");
    const auto max_s = item_of(options.max_s, i, stages, 14'400, "--max-s");
    const auto samples = item_of(options.samples, i, stages, usual, "--samples");
    for (const auto* one : {&min_s, &max_s, &samples})
      if (!*one) return one->error();
    plan.stages.push_back({.percent = percent,
                           .min_s = *min_s,
                           .max_s = *max_s,
                           .samples_min = static_cast<std::uint64_t>(*samples)});
  }
  if (const auto why = canary::why_unfit(state); !why.empty())
    return Error{Errc::bad_config, "the rollout " + why, "--plan"};
  return state;
}

}  // namespace memseal::app

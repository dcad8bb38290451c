// Any file in place of a rollout's state: one that can be gone on with, or refused. What is
// written reads the same.
#include "cases/canary/release_watch.hpp"
#include "cases/canary/state.hpp"

#include "base/assert.hpp"

#include <cstdint>

using namespace memseal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto state =
      canary::parse_state({reinterpret_cast<const char*>(data), size});
  if (!state) {
    MEMSEAL_ASSERT(state.error().code == Errc::bad_config);
    MEMSEAL_ASSERT(state.error().message.size() < 100);
    return 0;
  }
  // The first writing changes -0 to 0.
  const auto once = canary::parse_state(canary::print_state(*state));
  MEMSEAL_ASSERT(once);
  const auto twice = canary::parse_state(canary::print_state(*once));
  MEMSEAL_ASSERT(twice && canary::print_state(*twice) == canary::print_state(*once));
  policy::CanaryRollout rollout(state->plan);
  if (rollout.restore(state->judged)) {
    MEMSEAL_ASSERT(rollout.stage() < state->plan.stages.size());
    rollout.guardrails();
    policy::CanaryCounts counts{.streams = {1, 2}, .requests = {1, 2}, .ttfv = {1, 2},
                                .first_results = {1, 1}};
    rollout.see({.at_s = rollout.seen_until_s() + 2, .canary = counts, .stable = counts});
    rollout.guardrails();
  }
  canary::ReleaseWatch watch(state->canary_urls.size());
  if (watch.restore(state->canary_seen)) {
    const std::vector<canary::ProcessPage> pages(state->canary_urls.size());
    watch.see(pages, {.requests = 7, .server_errors = 2, .cut = 1});
    canary::ReleaseWatch other(state->canary_urls.size());
    MEMSEAL_ASSERT(other.restore(watch.save()));
  }
  return 0;
}

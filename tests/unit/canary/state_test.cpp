#include "cases/canary/release_watch.hpp"
#include "cases/canary/state.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace memseal::canary {
namespace {

State sound_state() {
  State state{.rollout = "rollout-1",
              .proxy = "/run/haproxy.sock",
              .stable_urls = {"http://127.0.0.1:7401"},
              .canary_urls = {"http://127.0.0.1:7411", "http://127.0.0.1:7421"},
              .smoked = true,
              .judged = {1, 2.5, -1e300},
              .canary_seen = {0}};
  state.plan.stages = {{.percent = 5, .min_s = 1, .max_s = 2, .samples_min = 3},
                       {.percent = 100, .min_s = 0, .max_s = 604'800, .samples_min = 1}};
  return state;
}

TEST(CanaryState, ReadsAsItWasWritten) {
  const auto text = print_state(sound_state());
  const auto state = parse_state(text);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(print_state(*state), text);
  EXPECT_EQ(state->plan.stages, sound_state().plan.stages);
  EXPECT_EQ(state->judged, sound_state().judged);
}

TEST(CanaryState, RefusesWhatNoRolloutCanHave) {
  const auto text = print_state(sound_state());
  const auto refuses = [&](const std::string& from, const std::string& to) {
    auto changed = text;
    const auto at = changed.find(from);
    if (at == changed.npos) return false;
    changed.replace(at, from.size(), to);
    const auto state = parse_state(changed);
    return !state && state.error().code == Errc::bad_config;
  };
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"{", ""},
           {"\"format\":1", "\"format\":2"},
           {"\"canary\":\"b\"", "\"canary\":\"c\""},
           {"\"verdict\":\"running\"", "\"verdict\":\"walking\""},
           {"\"smoked\":true", "\"smoked\":1"},
           {"\"judged\":[", "\"judged\":[null,"},
           {"\"judged\"", "\"guessed\""},
           {"\"percent\":5", "\"percent\":0"},
           {"\"percent\":5", "\"percent\":100"},
           {"\"percent\":100", "\"percent\":99"},
           {"\"percent\":100", "\"percent\":1e9"},
           {"\"samples_min\":3", "\"samples_min\":-3"},
           {"\"max_s\":2", "\"max_s\":0"},
           {"\"max_s\":2", "\"max_s\":1e99"},
           {"\"lease_s\":15", "\"lease_s\":3"},
           {"\"every_s\":2", "\"every_s\":0"},
           {"\"cut\":", "\"cut\":0.9,\"was\":"},
           {"\"stable_urls\":[\"http://127.0.0.1:7401\"]", "\"stable_urls\":[]"}})
    EXPECT_TRUE(refuses(from, to)) << from << " → " << to;
  EXPECT_FALSE(parse_state(""));
  EXPECT_FALSE(parse_state("[]"));
}

TEST(CanaryState, OfTheFuzzCorpusCanBeGoneOnWith) {
  for (const char* name : {"sound", "judged"}) {
    std::ifstream file(std::string(MEMSEAL_SOURCE_DIR "/tests/fuzz/corpus/canary_state_fuzz/") +
                       name);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto state = parse_state(text);
    ASSERT_TRUE(state) << name << ": " << state.error().message;
    EXPECT_TRUE(ReleaseWatch(1).restore(state->canary_seen)) << name;
    EXPECT_EQ(policy::CanaryRollout(state->plan).restore(state->judged),
              name == std::string("judged"));
  }
}

ProcessPage counted(std::uint64_t requests, std::uint64_t cut, double started_s = 7) {
  ProcessPage page{.started_s = started_s, .first_results = {requests, 0}, .resident_bytes = 5};
  page.counts.requests = {0, requests};
  page.counts.streams = {cut, requests};
  return page;
}

TEST(ReleaseWatch, SumsTheProcessesOfARelease) {
  ReleaseWatch watch(2);
  EXPECT_FALSE(watch.see({counted(100, 1), counted(50, 0)}, {.requests = 1'000}));
  const auto seen = watch.see({counted(110, 2), counted(55, 0)}, {.requests = 1'015});
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->counts.requests.all, 15u);
  EXPECT_EQ(seen->counts.streams.bad, 1u);
  EXPECT_EQ(seen->counts.first_results, (std::vector<std::uint64_t>{15, 0}));
  EXPECT_EQ(seen->proxied, 15u);
  EXPECT_FALSE(seen->restarted);
}

TEST(ReleaseWatch, NeitherMissesNorDoublesWhatTwoWitnessesSaw) {
  ReleaseWatch watch(1);
  watch.see({counted(0, 0)}, {});
  const auto bad = [&](std::uint64_t own, std::uint64_t proxys) {
    return watch.see({counted(100, own)}, {.cut = proxys})->counts.streams.bad;
  };
  EXPECT_EQ(bad(2, 0), 2u) << "the release saw them first";
  EXPECT_EQ(bad(2, 2), 0u) << "the proxy saw the same ones";
  EXPECT_EQ(bad(2, 5), 3u) << "the proxy alone saw three";
  EXPECT_EQ(bad(6, 5), 1u);
}

TEST(ReleaseWatch, BeginsAtZeroAfterARestart) {
  ReleaseWatch watch(1);
  watch.see({counted(100, 1)}, {.requests = 500});
  const auto seen = watch.see({counted(8, 1, 9)}, {.requests = 4});
  EXPECT_TRUE(seen->restarted);
  EXPECT_EQ(seen->counts.requests.all, 8u);
  EXPECT_EQ(seen->counts.streams.bad, 1u);
  EXPECT_EQ(seen->proxied, 4u) << "the proxy was reloaded";
}

TEST(ReleaseWatch, GoesOnElsewhereAndRefusesOtherNumbers) {
  ReleaseWatch watch(2);
  watch.see({counted(100, 1), counted(3, 0)}, {.requests = 500});
  const auto numbers = watch.save();
  ReleaseWatch other(2);
  ASSERT_TRUE(other.restore(numbers));
  EXPECT_EQ(other.see({counted(101, 1), counted(3, 0)}, {.requests = 501})->counts.requests.all,
            1u);
  EXPECT_FALSE(ReleaseWatch(1).restore(numbers));
  EXPECT_FALSE(ReleaseWatch(3).restore(numbers));
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    auto changed = numbers;
    changed[i] = -1;
    EXPECT_FALSE(ReleaseWatch(2).restore(changed)) << i;
  }
}

}  // namespace
}  // namespace memseal::canary

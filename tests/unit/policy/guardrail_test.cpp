#include "pure/policy/guardrail.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace memseal::policy {
namespace {

/// A window of a healthy service with much traffic.
GuardWindow healthy() {
  return {.seconds = 300,
          .ttfv = {20, 1'000},
          .response = {20, 1'000},
          .streams = {5, 2'500},
          .requests = {5, 5'000},
          .search = {10, 1'000},
          .pool_use = 0.5};
}

Verdict verdict_on(std::string_view name, const GuardWindow& window) {
  const auto all = judge(window);
  const auto found = std::ranges::find(all, name, &Guardrail::name);
  EXPECT_NE(found, all.end()) << name;
  return found == all.end() ? Verdict::ok : found->verdict;
}

TEST(Guardrails, AreKeptByAHealthyService) {
  for (const auto& guardrail : judge(healthy()))
    EXPECT_EQ(guardrail.verdict, Verdict::ok) << guardrail.name;
  EXPECT_EQ(verdict_of(judge(healthy())), Verdict::ok);
}

TEST(Guardrails, OneEventOfZeroToleranceIsABreachWithoutTraffic) {
  const std::pair<const char*, std::uint64_t GuardWindow::*> never[] = {
      {"rls_errors", &GuardWindow::rls_errors},
      {"aad_mismatches", &GuardWindow::aad_mismatches},
      {"isolation_findings", &GuardWindow::findings}};
  for (const auto& [name, field] : never) {
    GuardWindow window;
    window.*field = 1;
    EXPECT_EQ(verdict_on(name, window), Verdict::breach) << name;
    EXPECT_EQ(verdict_of(judge(window)), Verdict::breach) << name;
  }
}

TEST(Guardrails, FewSamplesProveNothing) {
  EXPECT_EQ(verdict_of(judge({})), Verdict::inconclusive);
  auto window = healthy();
  window.streams = {1, 10};
  EXPECT_EQ(verdict_on("streams_cut", window), Verdict::inconclusive);
  window.streams = {0, 2'499};
  EXPECT_EQ(verdict_on("streams_cut", window), Verdict::inconclusive) << "nor that all is well";
  window.streams = {5, 5};
  EXPECT_EQ(verdict_on("streams_cut", window), Verdict::inconclusive);
  // Unless they are beyond doubt: half of a hundred are cut.
  window.streams = {50, 100};
  EXPECT_EQ(verdict_on("streams_cut", window), Verdict::breach);
}

TEST(Guardrails, ABreachIsCertainAndAWarningIsNot) {
  auto window = healthy();
  window.streams = {11, 2'500};  // 0.44 %, by chance perhaps
  EXPECT_EQ(verdict_on("streams_cut", window), Verdict::warn);
  window.streams = {30, 2'500};  // 1.2 %
  EXPECT_EQ(verdict_on("streams_cut", window), Verdict::breach);
  window.requests = {100, 5'000};
  EXPECT_EQ(verdict_on("errors", window), Verdict::breach);
  window.ttfv = {120, 1'000};
  EXPECT_EQ(verdict_on("ttfv_p95_1500ms", window), Verdict::breach);
  window.response = {120, 1'000};
  EXPECT_EQ(verdict_on("response_p95_1500ms", window), Verdict::breach);
}

TEST(Guardrails, SomeOnlyWarn) {
  auto window = healthy();
  window.search = {500, 1'000};
  window.pool_use = 0.9;
  window.restarted = true;
  for (const char* name : {"search_p95_250ms", "pool_use", "restarted"})
    EXPECT_EQ(verdict_on(name, window), Verdict::warn) << name;
  EXPECT_EQ(verdict_of(judge(window)), Verdict::warn);
}

TEST(Guardrails, AnswerWithTheirNumbers) {
  auto window = healthy();
  window.streams = {30, 2'500};
  for (const auto& guardrail : judge(window)) {
    if (guardrail.name != "streams_cut") continue;
    EXPECT_DOUBLE_EQ(guardrail.value, 0.012);
    EXPECT_DOUBLE_EQ(guardrail.limit, 0.004);
    EXPECT_EQ(guardrail.samples, 2'500u);
    EXPECT_EQ(guardrail.samples_min, 2'500u);
  }
  EXPECT_EQ(verdict_name(Verdict::inconclusive), "inconclusive");
}

// For one look: how often a service that is well within its limit is called a breach.
TEST(Guardrails, AreRarelyWrongAboutAHealthyService) {
  // Binomial draws of 2,500 streams at 0.2 % cut, by a fixed sequence.
  std::uint64_t state = 2026;
  const auto uniform = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
  };
  int breaches = 0;
  for (int round = 0; round < 1'000; ++round) {
    auto window = healthy();
    window.streams = {0, 2'500};
    for (int i = 0; i < 2'500; ++i) window.streams.bad += uniform() < 0.002;
    breaches += verdict_on("streams_cut", window) == Verdict::breach;
  }
  EXPECT_LE(breaches, 5);
}

}  // namespace
}  // namespace memseal::policy

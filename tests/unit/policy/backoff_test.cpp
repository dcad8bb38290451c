#include "pure/policy/backoff.hpp"

#include <gtest/gtest.h>

namespace memseal::policy {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesItsCeilingUpToTheMost) {
  Backoff backoff(100ms, 1s);
  constexpr double most = 0.9999;
  for (const auto ceiling : {100ms, 200ms, 400ms, 800ms, 1'000ms, 1'000ms}) {
    const auto wait = backoff.next(most);
    EXPECT_LT(wait, ceiling);
    EXPECT_GE(wait, ceiling - 2ms);
  }
  EXPECT_EQ(backoff.failures(), 6);
}

TEST(Backoff, DrawsFromTheWholeRange) {
  Backoff backoff(100ms, 1s);
  EXPECT_EQ(backoff.next(0.0), 0ms);
  EXPECT_EQ(backoff.next(0.5), 100ms) << "half of the second ceiling";
}

TEST(Backoff, IsShortAgainAfterASuccess) {
  Backoff backoff(100ms, 1s);
  for (int i = 0; i < 10; ++i) backoff.next(0.5);
  backoff.reset();
  EXPECT_EQ(backoff.failures(), 0);
  EXPECT_EQ(backoff.next(0.5), 50ms);
}

TEST(Backoff, NeverOverflows) {
  Backoff backoff(100ms, 30s);
  for (int i = 0; i < 10'000; ++i) EXPECT_LT(backoff.next(0.999), 30s);
}

TEST(Backoff, HonoursAMostBelowItsFirst) {
  Backoff backoff(100ms, 10ms);
  EXPECT_LT(backoff.next(0.999), 10ms);
}

}  // namespace
}  // namespace memseal::policy

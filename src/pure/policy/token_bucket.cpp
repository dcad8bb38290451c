#include "pure/policy/token_bucket.hpp"

#include <algorithm>

namespace memseal::policy {

namespace {

constexpr std::int64_t second_us = 1'000'000;

// Rounded up, so that a client which waits exactly this long is not refused again.
std::int64_t seconds_up(std::int64_t us) { return (us + second_us - 1) / second_us; }

}  // namespace

bool BucketRules::valid() const noexcept {
  return tokens >= 1 && tokens <= tokens_max && window_s >= 1 && window_s <= window_s_max;
}

std::int64_t BucketRules::token_us() const noexcept {
  // At least 1: with more tokens than microseconds in the window, a token would cost nothing and
  // the limit would not exist.
  return std::max<std::int64_t>(window_s * second_us / tokens, 1);
}

std::int64_t TokenBucket::debt_us(const BucketRules& rules, std::int64_t now_us) const noexcept {
  // Cap at an empty bucket. The stored time may lie further ahead when the clock went back or the
  // rules became tighter.
  if (full_at_us_ <= now_us) return 0;
  return std::min(full_at_us_ - now_us, rules.full_us());
}

BucketAnswer TokenBucket::take(const BucketRules& rules, std::int64_t now_us) noexcept {
  const auto owed_us = debt_us(rules, now_us);
  // All three are times. The bucket holds full_us(), of which `owed_us` is used up, and this
  // request costs one token more.
  const auto spare_us = rules.full_us() - owed_us - rules.token_us();
  if (spare_us < 0) return {false, 0, seconds_up(owed_us), seconds_up(-spare_us)};
  full_at_us_ = now_us + owed_us + rules.token_us();
  return {true, spare_us / rules.token_us(), seconds_up(owed_us + rules.token_us()), 0};
}

void TokenBucket::owe(const BucketRules& rules, std::int64_t now_us,
                      std::int64_t debt_us) noexcept {
  // Only raises the debt, because the other copy may not know of tokens that this one gave.
  full_at_us_ =
      std::max(full_at_us_, now_us + std::clamp<std::int64_t>(debt_us, 0, rules.full_us()));
}

}  // namespace memseal::policy

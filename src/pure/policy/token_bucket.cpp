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

BucketAnswer TokenBucket::ask(const BucketRules& rules, std::int64_t now_us,
                              std::int64_t cost) const noexcept {
  const auto owed_us = debt_us(rules, now_us);
  const auto cost_us = std::clamp<std::int64_t>(cost, 0, rules.tokens) * rules.token_us();
  // All three are times. The bucket holds full_us(), of which `owed_us` is used up.
  const auto spare_us = rules.full_us() - owed_us - cost_us;
  if (spare_us < 0)
    return {false, (rules.full_us() - owed_us) / rules.token_us(), seconds_up(owed_us),
            seconds_up(-spare_us)};
  return {true, spare_us / rules.token_us(), seconds_up(owed_us + cost_us), 0};
}

BucketAnswer TokenBucket::state(const BucketRules& rules, std::int64_t now_us) const noexcept {
  return ask(rules, now_us, 0);
}

BucketAnswer TokenBucket::take(const BucketRules& rules, std::int64_t now_us,
                               std::int64_t cost) noexcept {
  const auto answer = ask(rules, now_us, cost);
  // What costs nothing leaves the stored time, which may lie further ahead than the debt counts.
  if (answer.allowed && cost > 0)
    full_at_us_ = now_us + debt_us(rules, now_us) +
                  std::clamp<std::int64_t>(cost, 0, rules.tokens) * rules.token_us();
  return answer;
}

void TokenBucket::owe(const BucketRules& rules, std::int64_t now_us,
                      std::int64_t debt_us) noexcept {
  // Only raises the debt, because the other copy may not know of tokens that this one gave. A debt
  // of 0 raises nothing, also not the stored time to now, which would count if the clock went back.
  const auto owed_us = std::min(debt_us, rules.full_us());
  if (owed_us > this->debt_us(rules, now_us)) full_at_us_ = now_us + owed_us;
}

RateAnswer RateBucket::ask(const RateRules& rules, std::int64_t now_us,
                           std::int64_t tokens) const noexcept {
  RateAnswer answer;
  answer.requests = requests_.ask(rules.requests, now_us, 1);
  answer.allowed = answer.requests.allowed;
  if (rules.tokens) {
    answer.tokens = tokens_.ask(*rules.tokens, now_us, tokens);
    answer.allowed = answer.allowed && answer.tokens.allowed;
  }
  if (answer.allowed) return answer;
  // Nothing is taken, so the limit that had room shows what it still has.
  if (answer.requests.allowed) answer.requests = requests_.state(rules.requests, now_us);
  if (answer.tokens.allowed) answer.tokens = tokens_.state(*rules.tokens, now_us);
  return answer;
}

RateAnswer RateBucket::take(const RateRules& rules, std::int64_t now_us,
                            std::int64_t tokens) noexcept {
  const auto answer = ask(rules, now_us, tokens);
  if (!answer.allowed) return answer;
  requests_.take(rules.requests, now_us);
  if (rules.tokens) tokens_.take(*rules.tokens, now_us, tokens);
  return answer;
}

RateDebt RateBucket::debt(const RateRules& rules, std::int64_t now_us) const noexcept {
  return {requests_.debt_us(rules.requests, now_us),
          rules.tokens ? tokens_.debt_us(*rules.tokens, now_us) : 0};
}

void RateBucket::owe(const RateRules& rules, std::int64_t now_us, const RateDebt& debt) noexcept {
  requests_.owe(rules.requests, now_us, debt.requests_us);
  if (rules.tokens) tokens_.owe(*rules.tokens, now_us, debt.tokens_us);
}

std::int64_t tokens_of_text(std::string_view text) noexcept {
  constexpr std::int64_t letters_a_token = 4;
  std::int64_t sum = 0, run = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const auto lower = byte | 0x20;
    const bool letter = (byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'z');
    if (letter) {
      if (run++ % letters_a_token == 0) ++sum;
      continue;
    }
    run = 0;
    // A character beyond ASCII counts at its first byte.
    const bool continues = (byte & 0xC0) == 0x80, blank = byte <= ' ' || byte == 0x7F;
    if (!continues && !blank) ++sum;
  }
  return std::max<std::int64_t>(sum, 1);
}

}  // namespace memseal::policy

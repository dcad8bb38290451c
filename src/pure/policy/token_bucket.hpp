#pragma once
// The rate limit of one user, as the generic cell rate algorithm (ITU-T I.371, virtual scheduling).
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace memseal::policy {

/// A bucket of `tokens`, filled evenly so that an empty one is full after `window_s` seconds.
struct BucketRules {
  static constexpr std::int64_t tokens_max = 1'000'000'000, window_s_max = 31'536'000;

  std::int64_t tokens = 100;      ///< 1 … tokens_max
  std::int64_t window_s = 3'600;  ///< 1 … window_s_max

  /// Microseconds in which one token comes back, rounded down, at least 1.
  /// NOTE: up to 100,000 tokens a second the rounding makes a limit at most a tenth wider. No user
  /// of one process reaches more.
  std::int64_t token_us() const noexcept;
  /// Microseconds in which an empty bucket fills: tokens · token_us.
  std::int64_t full_us() const noexcept { return tokens * token_us(); }
  bool valid() const noexcept;
};

/// The decision on one request. Seconds are rounded up.
struct BucketAnswer {
  bool allowed = false;
  std::int64_t remaining = 0;      ///< tokens left after this request
  std::int64_t reset_s = 0;        ///< until the bucket is full
  std::int64_t retry_after_s = 0;  ///< until there are enough tokens; 0 when there are

  friend bool operator==(const BucketAnswer&, const BucketAnswer&) = default;
};

/// The state of a bucket is one point in time: when it will be full ("theoretical arrival time").
/// Time is an argument, in microseconds of any steady clock. A value; not synchronised.
/// NOTE: redis::gcra_script() is the same algorithm in Lua; a test compares the two.
class TokenBucket {
 public:
  /// Takes `cost` tokens if there are as many. A refused request takes none. A cost over
  /// `rules.tokens` counts as a full bucket, because such a request could never pass otherwise.
  BucketAnswer take(const BucketRules& rules, std::int64_t now_us, std::int64_t cost = 1) noexcept;
  /// What take() would answer.
  BucketAnswer ask(const BucketRules& rules, std::int64_t now_us, std::int64_t cost) const noexcept;
  /// The state of the bucket after a request that took nothing.
  BucketAnswer state(const BucketRules& rules, std::int64_t now_us) const noexcept;

  /// The debt: microseconds until the bucket is full, 0 … full_us.
  std::int64_t debt_us(const BucketRules& rules, std::int64_t now_us) const noexcept;
  /// Raises the debt to `debt_us`, because another copy of this bucket gave tokens away.
  void owe(const BucketRules& rules, std::int64_t now_us, std::int64_t debt_us) noexcept;

 private:
  std::int64_t full_at_us_ = INT64_MIN;
};

/// The limits of one bucket of a user: requests, and tokens of the texts in them.
struct RateRules {
  BucketRules requests;
  std::optional<BucketRules> tokens = {};  ///< empty: texts are not counted

  bool valid() const noexcept { return requests.valid() && (!tokens || tokens->valid()); }
};

/// A request passes when both limits have room for it. Each limit answers for itself: it is
/// `allowed` where it has room.
struct RateAnswer {
  bool allowed = false;
  BucketAnswer requests;
  BucketAnswer tokens;  ///< all zero where texts are not counted

  friend bool operator==(const RateAnswer&, const RateAnswer&) = default;
};

struct RateDebt {
  std::int64_t requests_us = 0, tokens_us = 0;

  friend bool operator==(const RateDebt&, const RateDebt&) = default;
};

/// The two buckets of RateRules. A request takes from both or from none.
class RateBucket {
 public:
  RateAnswer take(const RateRules& rules, std::int64_t now_us, std::int64_t tokens) noexcept;
  /// What take() would answer.
  RateAnswer ask(const RateRules& rules, std::int64_t now_us, std::int64_t tokens) const noexcept;
  RateDebt debt(const RateRules& rules, std::int64_t now_us) const noexcept;
  void owe(const RateRules& rules, std::int64_t now_us, const RateDebt& debt) noexcept;

 private:
  TokenBucket requests_, tokens_;
};

/// How many tokens a text of UTF-8 counts, at least one. A run of ASCII letters and digits counts
/// one for each four that it begins; every other character counts one, but white space and control
/// characters count none. Models differ in what a token is, but the word pieces of BERT's tokenizer
/// are cut like that: a client can reckon what its request takes, and a text of punctuation marks,
/// of which each is a token of the model, is not four times as cheap as its work.
std::int64_t tokens_of_text(std::string_view text) noexcept;

}  // namespace memseal::policy

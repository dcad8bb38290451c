#pragma once
// The rate limit of one user, as the generic cell rate algorithm (ITU-T I.371, virtual scheduling).
#include <cstdint>

namespace memseal::policy {

/// A bucket of `tokens`, filled evenly so that an empty one is full after `window_s` seconds.
struct BucketRules {
  static constexpr std::int64_t tokens_max = 1'000'000'000, window_s_max = 31'536'000;

  std::int64_t tokens = 100;      ///< 1 … tokens_max
  std::int64_t window_s = 3'600;  ///< 1 … window_s_max

  /// Microseconds in which one token comes back, rounded down, at least 1.
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
  std::int64_t retry_after_s = 0;  ///< until one token is available; 0 when allowed

  friend bool operator==(const BucketAnswer&, const BucketAnswer&) = default;
};

/// The state of a bucket is one point in time: when it will be full ("theoretical arrival time").
/// Time is an argument, in microseconds of any steady clock. A value; not synchronised.
/// NOTE: redis::gcra_script() is the same algorithm in Lua; a test compares the two.
class TokenBucket {
 public:
  /// Takes one token if there is one. A refused request takes none.
  BucketAnswer take(const BucketRules& rules, std::int64_t now_us) noexcept;

  /// The debt: microseconds until the bucket is full, 0 … full_us.
  std::int64_t debt_us(const BucketRules& rules, std::int64_t now_us) const noexcept;
  /// Raises the debt to `debt_us`, because another copy of this bucket gave tokens away.
  void owe(const BucketRules& rules, std::int64_t now_us, std::int64_t debt_us) noexcept;

 private:
  std::int64_t full_at_us_ = INT64_MIN;
};

}  // namespace memseal::policy

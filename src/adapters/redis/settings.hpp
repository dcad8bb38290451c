#pragma once
// What an operator may set of Redis and of the rate limit.
#include "base/setting.hpp"
#include "pure/policy/token_bucket.hpp"

#include <chrono>

namespace memseal::redis {

/// For one decision of the limiter, and for one command.
inline constexpr std::chrono::milliseconds timeout_default{50};

/// Section `redis`.
struct Settings {
  std::string url;  ///< empty: buckets live in this process
  std::int64_t timeout_ms = timeout_default.count();

  static SettingRows<Settings> rows();
};

/// Section `ratelimit`.
struct RateLimitSettings {
  std::int64_t requests = policy::BucketRules{}.tokens;
  std::int64_t window_s = policy::BucketRules{}.window_s;

  static SettingRows<RateLimitSettings> rows();
};

}  // namespace memseal::redis

#pragma once
// What an operator may set of Redis and of the rate limits.
#include "adapters/redis/local_buckets.hpp"
#include "base/setting.hpp"

#include <chrono>
#include <span>

namespace memseal::redis {

/// For one decision of the limiter, and for one command.
inline constexpr std::chrono::milliseconds timeout_default{50};

/// Section `redis`.
struct Settings {
  std::string url;  ///< empty: buckets live in this process
  std::int64_t timeout_ms = timeout_default.count();

  static SettingRows<Settings> rows();
};

/// Section `ratelimit`. The requests are those of a quick conversation of 100 turns at once, with
/// room for a client that repeats some. The tokens are of the order of what two cores embed.
struct RateLimitSettings {
  std::int64_t window_s = 60;
  std::int64_t query_requests = 240, query_tokens = 240'000;
  std::int64_t write_requests = 480, write_tokens = 1'000'000;
  std::int64_t inference_requests = 240, inference_tokens = 500'000;
  std::int64_t metrics_requests = 240;

  BucketTable table() const;
  static SettingRows<RateLimitSettings> rows();
  /// Names that settings had before.
  static std::span<const RetiredSetting> retired();
};

}  // namespace memseal::redis

#include "adapters/redis/settings.hpp"

#include "adapters/redis/link.hpp"

namespace memseal::redis {

namespace {

Result<void> check_url(const std::string& value) {
  if (auto parsed = Address::parse(value); !parsed) return parsed.error();
  return {};
}

}  // namespace

SettingRows<Settings> Settings::rows() {
  using namespace setting;
  return {secret("redis.url", "redis://[:password@]host:port/db; empty: buckets in this process",
                 &Settings::url, check_url),
          number("redis.timeout_ms", "longest wait for Redis before the local bucket decides", 1,
                 10'000, &Settings::timeout_ms)};
}

SettingRows<RateLimitSettings> RateLimitSettings::rows() {
  using namespace setting;
  using policy::BucketRules;
  return {number("ratelimit.requests", "requests a user may make in one window", 1,
                 BucketRules::tokens_max, &RateLimitSettings::requests),
          number("ratelimit.window_s", "length of the window in seconds", 1,
                 BucketRules::window_s_max, &RateLimitSettings::window_s)};
}

}  // namespace memseal::redis

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

BucketTable RateLimitSettings::table() const {
  using policy::BucketRules;
  const auto both = [this](std::int64_t requests, std::int64_t tokens) {
    return policy::RateRules{{requests, window_s}, BucketRules{tokens, window_s}};
  };
  return {both(query_requests, query_tokens), both(write_requests, write_tokens),
          both(inference_requests, inference_tokens),
          policy::RateRules{{metrics_requests, window_s}}};
}

SettingRows<RateLimitSettings> RateLimitSettings::rows() {
  using namespace setting;
  using policy::BucketRules;
  using S = RateLimitSettings;
  const auto limit = [](std::string name, std::string help, std::int64_t S::*field) {
    return number("ratelimit." + std::move(name), std::move(help), 1, BucketRules::tokens_max,
                  field);
  };
  return {
      number("ratelimit.window_s", "seconds in which an empty bucket fills", 1,
             BucketRules::window_s_max, &S::window_s),
      limit("query_requests", "questions of a user in one window", &S::query_requests),
      limit("query_tokens", "tokens of their texts", &S::query_tokens),
      limit("write_requests", "documents and turns of a user in one window", &S::write_requests),
      limit("write_tokens", "tokens of their texts", &S::write_tokens),
      limit("inference_requests", "requests of a user to the models in one window",
            &S::inference_requests),
      limit("inference_tokens", "tokens of their texts", &S::inference_tokens),
      limit("metrics_requests", "looks of a user at models and figures in one window",
            &S::metrics_requests)};
}

std::span<const RetiredSetting> RateLimitSettings::retired() {
  static constexpr RetiredSetting retired[] = {
      {"ratelimit.requests",
       "there is a limit for each kind of request now: set ratelimit.query_requests, "
       "ratelimit.write_requests, ratelimit.inference_requests and ratelimit.metrics_requests, and "
       "where ratelimit.window_s is not 60 the limits of tokens too, which are for one window"}};
  return retired;
}

}  // namespace memseal::redis

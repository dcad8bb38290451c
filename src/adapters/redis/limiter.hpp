#pragma once
// The rate limits of users: in Redis for all processes together, or in this one.
#include "adapters/redis/link.hpp"
#include "adapters/redis/local_buckets.hpp"
#include "adapters/redis/settings.hpp"
#include "ports/limiter.hpp"
#include "pure/policy/breaker.hpp"
#include "runtime/metrics.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::redis {

struct LimiterOptions {
  std::string url;  ///< redis://…; empty: no Redis
  BucketTable buckets = RateLimitSettings{}.table();
  std::chrono::milliseconds timeout = timeout_default;  ///< for one decision in Redis
  /// Shared by all limiters of the process. Null: this limiter makes one for itself.
  std::shared_ptr<LocalBuckets> local = nullptr;
};

/// A Limiter that the service starts and stops.
class ManagedLimiter : public ports::Limiter {
 public:
  /// Whether Redis is reachable; true where no Redis is used. Thread: any.
  virtual bool connected() const noexcept = 0;
  /// Releases the io_context, so that its run() can return. Thread: any. Idempotent.
  /// admit() works on, with the local buckets.
  virtual void close() = 0;
};

/// Buckets in Redis: one EVALSHA a decision, by the server's clock, exact for any number of
/// processes and concurrent requests.
///
/// When Redis is unreachable, fails, or is slower than `timeout`, the local bucket of that user
/// decides (Admission::degraded). The local bucket knows the last state that Redis reported. The
/// next request that reaches Redis carries the debt that Redis has not seen.
/// After three failures in a row Redis is asked once a second, because each request to a hanging
/// server would cost its caller the whole timeout.
/// Thread: that of `executor`, where admit() is awaited.
///
/// Keys: `rl:{<first 16 hex digits of user_hash>}:<bucket>:requests`, and `…:tokens` where texts
/// are counted. A key expires when its bucket is full.
/// Metrics: memseal_ratelimit_degraded (links whose last decision was local),
/// memseal_redis_commands_total{outcome="ok|unavailable|timeout|overloaded|cancelled|error"}.
class RedisLimiter final : public ManagedLimiter {
 public:
  /// REQUIRES: `options.local`, made of `options.buckets`.
  RedisLimiter(asio::any_io_executor executor, Address address, LimiterOptions options,
               runtime::Metrics& metrics);
  ~RedisLimiter() override;

  asio::awaitable<ports::Admission> admit(runtime::RequestContext context, crypto::Tenant who,
                                          ports::Bucket bucket, std::int64_t tokens) override;
  std::optional<ports::Admission> known_refusal(const crypto::Tenant& who,
                                                ports::Bucket bucket) override;
  bool connected() const noexcept override { return link_.connected(); }
  void close() override { link_.close(); }
  /// See RedisLink.
  asio::awaitable<bool> ready_within(std::chrono::milliseconds time) {
    return link_.ready_within(time);
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// What one decision is about.
  struct Question {
    BucketKey key;
    std::int64_t tokens = 0;
    LocalBuckets::Unsynced unsynced = {};
  };

  asio::awaitable<std::optional<policy::RateAnswer>> ask_redis(
      const runtime::RequestContext& context, const BucketKey& key, std::int64_t tokens);
  asio::awaitable<Result<Reply>> run_script(const Question& question, Clock::time_point until);
  std::vector<std::string> script_call(const Question& question, bool by_hash) const;
  void link_changed(bool connected);
  void set_degraded(bool degraded);
  void count(const Result<Reply>& reply);

  LimiterOptions options_;
  runtime::Gauge& degraded_gauge_;
  std::array<runtime::Counter*, 6> commands_;
  policy::Breaker breaker_;
  std::string script_hash_;  // of SCRIPT LOAD; empty: not loaded on this connection
  bool degraded_ = false;
  RedisLink link_;  // last, because it calls link_changed() until it is destroyed
};

/// Buckets in this process only: never degraded, always connected. Thread: any.
class MemoryLimiter final : public ManagedLimiter {
 public:
  explicit MemoryLimiter(std::shared_ptr<LocalBuckets> buckets) : buckets_(std::move(buckets)) {}

  asio::awaitable<ports::Admission> admit(runtime::RequestContext context, crypto::Tenant who,
                                          ports::Bucket bucket, std::int64_t tokens) override;
  std::optional<ports::Admission> known_refusal(const crypto::Tenant& who,
                                                ports::Bucket bucket) override;
  bool connected() const noexcept override { return true; }
  void close() override {}

 private:
  std::shared_ptr<LocalBuckets> buckets_;
};

/// The limiter that `options` describe. Errors: bad_config.
Result<std::unique_ptr<ManagedLimiter>> make_limiter(asio::any_io_executor executor,
                                                     LimiterOptions options,
                                                     runtime::Metrics& metrics);

/// The buckets that limiters of one process share. Errors: bad_config.
Result<std::shared_ptr<LocalBuckets>> make_local_buckets(const LimiterOptions& options);

/// The Lua script: policy::RateBucket::owe() and take() by the server's TIME.
/// KEYS: the bucket of each limit. ARGV, for each key: tokens, microseconds a token, debt in
/// microseconds that the caller knows of, tokens that the request takes.
/// Replies {allowed} and, for each key, {remaining, reset_s, retry_after_s, debt afterwards in
/// microseconds}.
std::string_view gcra_script() noexcept;

}  // namespace memseal::redis

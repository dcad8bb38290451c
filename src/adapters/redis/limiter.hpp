#pragma once
// The rate limit of users: in Redis for all processes together, or in this one.
#include "adapters/redis/link.hpp"
#include "adapters/redis/local_buckets.hpp"
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
  std::string url;                        ///< redis://…; empty: no Redis
  std::int64_t requests = 100;            ///< tokens of a full bucket
  std::int64_t window_s = 3'600;          ///< seconds in which an empty one fills
  std::chrono::milliseconds timeout{50};  ///< for Redis to answer
  /// The process's own buckets. Limiters of one process share theirs; null: one of its own.
  std::shared_ptr<LocalBuckets> local = nullptr;
};

/// A Limiter that has a life: what the service sees of either kind.
class AnyLimiter : public ports::Limiter {
 public:
  /// Whether the shared buckets are within reach; true where none are used. Any thread.
  virtual bool connected() const noexcept = 0;
  /// Lets the io_context end. Any thread; idempotent. admit() goes on, locally.
  virtual void close() = 0;
};

/// Buckets in Redis, one EVALSHA a decision, by the server's clock; exact for any number of
/// processes and requests at a time. Redis away, failing, or slower than `timeout`: the process's
/// own bucket of that user decides (Admission::degraded), which knows the last state that Redis
/// showed; when Redis is back, it is told what was given away meanwhile. After three failures in a
/// row it is asked once a second, so that a hanging server costs few requests the timeout.
/// One link, used on `executor`, where admit() is awaited.
///
/// Key: `rl:{<first 16 hex digits of user_hash>}`; it expires when the bucket is full.
/// Metrics: memseal_ratelimit_degraded (links whose last decision was not made in Redis),
/// memseal_redis_commands_total{outcome="ok|away|timeout|overloaded|cancelled|error"}.
class RedisLimiter final : public AnyLimiter {
 public:
  /// `options.local` is set, its rules are `requests` and `window_s`.
  RedisLimiter(asio::any_io_executor executor, Address address, LimiterOptions options,
               runtime::Metrics& metrics);
  ~RedisLimiter() override;

  asio::awaitable<ports::Admission> admit(runtime::RequestContext context,
                                          crypto::Tenant who) override;
  bool connected() const noexcept override { return link_.connected(); }
  void close() override { link_.close(); }
  /// See RedisLink.
  asio::awaitable<bool> ready_within(std::chrono::milliseconds time) {
    return link_.ready_within(time);
  }

 private:
  using Clock = std::chrono::steady_clock;

  asio::awaitable<std::optional<policy::BucketAnswer>> ask(const runtime::RequestContext& context,
                                                           const UserHash& user);
  asio::awaitable<Result<Reply>> run_script(const UserHash& user, std::int64_t owed_us,
                                            Clock::time_point until);
  std::vector<std::string> script_call(const UserHash& user, std::int64_t owed_us, bool by_hash);
  void link_changed(bool connected);
  void set_degraded(bool degraded);
  void count(const Result<Reply>& reply);

  LimiterOptions options_;
  runtime::Gauge& degraded_gauge_;
  std::array<runtime::Counter*, 6> commands_;
  policy::Breaker breaker_;
  std::string script_hash_;  // as the server told; empty: not loaded yet
  bool degraded_ = false;
  RedisLink link_;  // last: it calls back until it is gone
};

/// Buckets in this process alone: never degraded, always connected. Any thread.
class MemoryLimiter final : public AnyLimiter {
 public:
  explicit MemoryLimiter(std::shared_ptr<LocalBuckets> buckets) : buckets_(std::move(buckets)) {}

  asio::awaitable<ports::Admission> admit(runtime::RequestContext context,
                                          crypto::Tenant who) override;
  bool connected() const noexcept override { return true; }
  void close() override {}

 private:
  std::shared_ptr<LocalBuckets> buckets_;
};

/// The limiter that `options` ask for. Errors: bad_config.
Result<std::unique_ptr<AnyLimiter>> make_limiter(asio::any_io_executor executor,
                                                 LimiterOptions options, runtime::Metrics& metrics);

/// The buckets that limiters of one process share. Errors: bad_config.
Result<std::shared_ptr<LocalBuckets>> make_local_buckets(const LimiterOptions& options);

/// The Lua script. KEYS: bucket. ARGV: tokens, microseconds a token, microseconds owed beyond what
/// it knows. Replies {allowed, remaining, reset_s, retry_after_s, microseconds owed afterwards}:
/// policy::TokenBucket::owe() and take() by the server's TIME.
std::string_view gcra_script() noexcept;

}  // namespace memseal::redis

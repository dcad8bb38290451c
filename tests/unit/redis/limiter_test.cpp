#include "adapters/redis/limiter.hpp"

#include "support/run_loop.hpp"

namespace memseal::redis {
namespace {

using test::run_to_end;

crypto::Tenant tenant(const std::string& user) {
  const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 7)));
  return keyer.tenant_of(*UserId::parse(user));
}

asio::awaitable<ports::Admission> admit(ManagedLimiter& limiter, const std::string& user) {
  return limiter.admit(runtime::RequestContext{"r"}, tenant(user), ports::Bucket::query, 1);
}

asio::awaitable<void> three_of_five(ManagedLimiter& limiter, bool degraded) {
  for (int i = 0; i < 5; ++i) {
    const auto answer = co_await admit(limiter, "u");
    EXPECT_EQ(answer.allowed, i < 3) << i;
    EXPECT_EQ(answer.requests.limit, 3);
    EXPECT_EQ(answer.window_s, 60);
    EXPECT_EQ(answer.requests.remaining, std::max(2 - i, 0));
    EXPECT_EQ(answer.requests.retry_after_s > 0, !answer.allowed);
    EXPECT_EQ(answer.tokens.limit, 240'000);
    EXPECT_EQ(answer.degraded, degraded);
  }
  const auto refusal = limiter.known_refusal(tenant("u"), ports::Bucket::query);
  EXPECT_TRUE(refusal);
  EXPECT_EQ(refusal && refusal->degraded, degraded);
  EXPECT_FALSE(limiter.known_refusal(tenant("u"), ports::Bucket::write));
  const auto other = co_await admit(limiter, "another");
  EXPECT_TRUE(other.allowed);
}

LimiterOptions three_a_minute(const std::string& url = {}) {
  LimiterOptions options;
  options.url = url;
  RateLimitSettings limits;
  limits.query_requests = 3;
  options.buckets = limits.table();
  return options;
}

TEST(MemoryLimiter, LimitsEachUserWithoutRedis) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  const auto limiter = make_limiter(loop.get_executor(), three_a_minute(), metrics);
  ASSERT_TRUE(limiter);
  EXPECT_TRUE((*limiter)->connected());
  run_to_end(loop, three_of_five(**limiter, false));
  (*limiter)->close();
}

asio::awaitable<void> take(ManagedLimiter& limiter, int times, int& allowed) {
  for (int i = 0; i < times; ++i) {
    const auto answer = co_await admit(limiter, "u");
    allowed += answer.allowed;
  }
}

asio::awaitable<void> a_chat(ManagedLimiter& limiter) {
  const runtime::RequestContext context{"r"};
  // A script that stores a turn, polls for free, asks, and stores the answer.
  for (int turn = 1; turn <= 100; ++turn) {
    for (const auto bucket : {ports::Bucket::write, ports::Bucket::query, ports::Bucket::write}) {
      const auto answer =
          co_await limiter.admit(context, tenant("u"), bucket, 500);
      EXPECT_TRUE(answer.allowed) << ports::bucket_name(bucket) << " of turn " << turn;
    }
  }
}

TEST(MemoryLimiter, LetsAChatOfAHundredTurnsThroughByDefault) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  const auto limiter = make_limiter(loop.get_executor(), LimiterOptions{}, metrics);
  ASSERT_TRUE(limiter);
  run_to_end(loop, a_chat(**limiter));
}

TEST(MemoryLimiter, OfOneProcessShareTheirBuckets) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  auto options = three_a_minute();
  options.local = *make_local_buckets(options);
  const auto one = make_limiter(loop.get_executor(), options, metrics);
  const auto other = make_limiter(loop.get_executor(), options, metrics);
  int allowed = 0;
  run_to_end(loop, take(**one, 2, allowed));
  run_to_end(loop, take(**other, 5, allowed));
  EXPECT_EQ(allowed, 3);
}

TEST(RedisLimiter, LimitsFromTheFirstRequestWhenNobodyListens) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  {
    const auto limiter =
        make_limiter(loop.get_executor(), three_a_minute("redis://127.0.0.1:1"), metrics);
    ASSERT_TRUE(limiter);
    EXPECT_FALSE((*limiter)->connected());
    run_to_end(loop, three_of_five(**limiter, true));
    EXPECT_NE(metrics.render().find("memseal_ratelimit_degraded 1\n"), std::string::npos);
    (*limiter)->close();
    loop.restart();
    loop.run();  // returns: nothing is left to do
    int allowed = 0;
    run_to_end(loop, take(**limiter, 1, allowed));
    EXPECT_EQ(allowed, 0) << "closed, it goes on locally";
  }
  EXPECT_NE(metrics.render().find("memseal_ratelimit_degraded 0\n"), std::string::npos);
}

TEST(MakeLimiter, RefusesWhatCannotBeMeant) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  const auto refused = [&](LimiterOptions options) {
    const auto limiter = make_limiter(loop.get_executor(), options, metrics);
    return limiter ? std::string() : limiter.error().field;
  };
  auto options = three_a_minute();
  options.buckets[0].requests.tokens = 0;
  EXPECT_EQ(refused(options), "ratelimit.query_requests");
  options = three_a_minute();
  options.buckets[2].tokens->window_s = -1;
  EXPECT_EQ(refused(options), "ratelimit.inference_requests");
  EXPECT_EQ(refused(three_a_minute("rediss://host")), "redis.url");
  options = three_a_minute("redis://host");
  options.timeout = std::chrono::milliseconds(0);
  EXPECT_EQ(refused(options), "redis.timeout_ms");
}

}  // namespace
}  // namespace memseal::redis

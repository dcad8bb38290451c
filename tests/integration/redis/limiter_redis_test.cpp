#include "adapters/redis/limiter.hpp"

#include "integration/redis/run.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"

#include <random>

namespace memseal::redis {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using runtime::pause_for;
using Clock = std::chrono::steady_clock;

crypto::Tenant tenant(const std::string& user) {
  static const crypto::TenantKeyer keyer(SecretBytes(Bytes(32, 7)));
  return keyer.tenant_of(*UserId::parse(user));
}

/// Every bucket with so many requests in an hour.
BucketTable an_hour(std::int64_t requests) {
  RateLimitSettings limits;
  limits.window_s = 3'600;
  limits.query_requests = limits.write_requests = limits.inference_requests = requests;
  return limits.table();
}

LimiterOptions hundred_an_hour() {
  LimiterOptions options;
  options.buckets = an_hour(100);
  return options;
}

/// A limiter on the running coroutine's executor.
struct Limits {
  Limits(asio::any_io_executor executor, const std::string& url,
         LimiterOptions options = hundred_an_hour())
      : limiter(std::move(executor), *Address::parse(url), with_local(options), metrics) {}

  static LimiterOptions with_local(LimiterOptions options) {
    if (!options.local) options.local = *make_local_buckets(options);
    return options;
  }
  bool degraded() const {
    return metrics.render().find("memseal_ratelimit_degraded 1") != std::string::npos;
  }

  runtime::Metrics metrics;
  RedisLimiter limiter;
};

asio::awaitable<ports::Admission> admit(Limits& limits, const std::string& user) {
  return limits.limiter.admit(runtime::RequestContext{"test"}, tenant(user),
                              ports::Bucket::query, 1);
}

asio::awaitable<void> hundred_and_one(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, server.url());
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  for (int i = 1; i <= 100; ++i) {
    const auto answer = co_await admit(limits, "u");
    EXPECT_TRUE(answer.allowed) << i;
    EXPECT_EQ(answer.requests.limit, 100);
    EXPECT_EQ(answer.requests.remaining, 100 - i);
    EXPECT_EQ(answer.window_s, 3'600);
    EXPECT_FALSE(answer.degraded);
  }
  const auto denied = co_await admit(limits, "u");
  EXPECT_FALSE(denied.allowed);
  EXPECT_EQ(denied.requests.remaining, 0);
  EXPECT_NEAR(static_cast<double>(denied.requests.retry_after_s), 36, 1);
  EXPECT_NEAR(static_cast<double>(denied.requests.reset_s), 3'600, 1);
  EXPECT_TRUE((co_await admit(limits, "another")).allowed) << "buckets are each user's own";
}

TEST(RedisLimiter, DeniesTheHundredAndFirst) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(hundred_and_one(server));
}

asio::awaitable<void> two_buckets(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  auto options = hundred_an_hour();
  options.buckets[1].tokens = policy::BucketRules{1'000, 3'600};
  Limits limits(executor, server.url(), options);
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  const runtime::RequestContext context{"test"};
  const auto write = ports::Bucket::write;
  EXPECT_TRUE((co_await limits.limiter.admit(context, tenant("u"), write, 900)).allowed);
  EXPECT_FALSE(limits.limiter.known_refusal(tenant("u"), write));
  const auto denied = co_await limits.limiter.admit(context, tenant("u"), write, 200);
  EXPECT_FALSE(denied.allowed);
  EXPECT_NEAR(static_cast<double>(denied.tokens.retry_after_s), 360, 1);
  EXPECT_EQ(denied.requests.retry_after_s, 0);
  EXPECT_EQ(denied.requests.remaining, 99) << "a refused request takes nothing";
  EXPECT_TRUE((co_await admit(limits, "u")).allowed) << "questions have a bucket of their own";
  EXPECT_TRUE((co_await limits.limiter.admit(context, tenant("u"), write, 100)).allowed);
  const auto known = limits.limiter.known_refusal(tenant("u"), write);
  EXPECT_TRUE(known && !known->allowed && !known->degraded) << "as Redis said";
}

TEST(RedisLimiter, KeepsBucketsAndTheirTokensApart) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(two_buckets(server));
}

asio::awaitable<void> ask_often(Limits& limits, int times, int& allowed, int& degraded) {
  for (int i = 0; i < times; ++i) {
    const auto answer = co_await admit(limits, "u");
    allowed += answer.allowed;
    degraded += answer.degraded;
  }
}

asio::awaitable<void> sixty_four_clients(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  auto patient = hundred_an_hour();
  patient.timeout = 2s;  // the count is at stake here, not the time
  Limits one(executor, server.url(), patient), other(executor, server.url(), patient);
  EXPECT_TRUE(co_await one.limiter.ready_within(2s));
  EXPECT_TRUE(co_await other.limiter.ready_within(2s));
  int allowed = 0, degraded = 0;
  runtime::TaskGroup clients(executor);
  for (int i = 0; i < 64; ++i)
    clients.spawn(ask_often(i % 2 == 0 ? one : other, 200, allowed, degraded));
  co_await clients.join();
  EXPECT_EQ(allowed, 100) << "of 12,800 requests through two processes' limiters";
  EXPECT_EQ(degraded, 0);
}

TEST(RedisLimiter, IsExactForSixtyFourClientsAtATime) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(sixty_four_clients(server));
}

policy::BucketAnswer limit_of(const Reply& reply, std::size_t at) {
  const auto& items = reply.items;
  return {items[at + 2].integer == 0, items[at].integer, items[at + 1].integer,
          items[at + 2].integer};
}

/// Random requests to one bucket by a clock of ours, in the script and in the pure policy.
asio::awaitable<void> compare(RedisLink& link, const std::string& script,
                              const policy::RateRules& rules, std::mt19937_64& random,
                              int& allowed) {
  const auto below = [&](std::int64_t most) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
  };
  policy::RateBucket bucket;
  const auto key = "bucket" + std::to_string(rules.requests.tokens);
  std::int64_t now_us = 1'700'000'000'000'000;
  for (int i = 0; i < 1'500; ++i) {
    // Mostly forward, in steps around a token's time; now and then a jump, or a clock set back.
    now_us += below(2 * rules.requests.token_us());
    if (random() % 50 == 0) now_us += rules.requests.full_us() / 3;
    if (random() % 100 == 0) now_us -= rules.requests.full_us() / 2;
    policy::RateDebt owed;
    if (random() % 40 == 0) owed.requests_us = below(2 * rules.requests.full_us());
    if (random() % 40 == 0) owed.tokens_us = below(2 * rules.tokens->full_us());
    // Mostly small, at times more than a full bucket holds.
    const auto tokens = random() % 20 == 0 ? below(2 * rules.tokens->tokens)
                                           : below(rules.tokens->tokens / 50 + 2);
    const auto number = [](std::int64_t value) { return std::to_string(value); };
    auto args = words("EVAL", script, "2", key, key + "t", number(rules.requests.tokens),
                      number(rules.requests.token_us()), number(owed.requests_us), "1",
                      number(rules.tokens->tokens), number(rules.tokens->token_us()),
                      number(owed.tokens_us), number(tokens), number(now_us / 1'000'000),
                      number(now_us % 1'000'000));
    const auto reply = co_await link.command(std::move(args), 2s);
    bucket.owe(rules, now_us, owed);
    const auto expected = bucket.take(rules, now_us, tokens);
    const bool is_list = reply && reply->kind == Reply::Kind::list && reply->items.size() == 9;
    EXPECT_TRUE(is_list) << (reply ? reply->text : reply.error().message);
    if (!is_list) co_return;
    const policy::RateAnswer answer{reply->items[0].integer == 1, limit_of(*reply, 1),
                                    limit_of(*reply, 5)};
    EXPECT_EQ(answer, expected) << rules.requests.tokens << " requests, step " << i;
    const policy::RateDebt debt{reply->items[4].integer, reply->items[8].integer};
    EXPECT_EQ(debt, bucket.debt(rules, now_us)) << i;
    allowed += answer.allowed;
  }
}

asio::awaitable<void> same_as_policy(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, *Address::parse(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  // The script by a clock of ours: its two words instead of the server's, and no expiry by that.
  std::string script(gcra_script());
  const std::string clock = "redis.call('TIME')";
  script.replace(script.find(clock), clock.size(), "{ARGV[9], ARGV[10]}");
  const std::string expiry = ", 'PX', math.ceil(debt / 1000) + 1";
  script.replace(script.find(expiry), expiry.size(), "");
  std::mt19937_64 random(20);
  int allowed = 0;
  using policy::BucketRules;
  for (const auto& rules : {policy::RateRules{{100, 3'600}, BucketRules{5'000, 3'600}},
                            policy::RateRules{{7, 10}, BucketRules{60, 10}},
                            policy::RateRules{{1, 1}, BucketRules{1, 1}},
                            policy::RateRules{{1'000'000, 60}, BucketRules{1'000'000'000, 60}}})
    co_await compare(link, script, rules, random, allowed);
  EXPECT_GT(allowed, 1'000);
  EXPECT_LT(allowed, 5'900) << "the schedule reaches both answers";
}

TEST(RedisLimiter, GivesTheNumbersOfThePurePolicy) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(same_as_policy(server));
}

std::string key_of(const std::string& user) {
  return "rl:{" + tenant(user).hash().to_hex().substr(0, 16) + "}:query:requests";
}

asio::awaitable<void> flushed_scripts(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, server.url());
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  EXPECT_EQ((co_await admit(limits, "u")).requests.remaining, 99);
  RedisLink admin(executor, *Address::parse(server.url()));
  EXPECT_TRUE(co_await admin.ready_within(2s));
  EXPECT_TRUE(co_await admin.command(words("SCRIPT", "FLUSH")));
  const auto answer = co_await admit(limits, "u");
  EXPECT_EQ(answer.requests.remaining, 98);
  EXPECT_FALSE(answer.degraded);
  const auto keys = co_await admin.command(words("KEYS", "*"));
  EXPECT_EQ(keys->items.size(), 2u) << "one for the requests, one for the tokens";
  const auto left = co_await admin.command(words("PTTL", key_of("u")));
  EXPECT_GT(left->integer, 70'000);
  EXPECT_LE(left->integer, 72'001) << "the key goes when the bucket is full";
}

TEST(RedisLimiter, LoadsItsScriptAgainAndItsKeysExpire) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(flushed_scripts(server));
}

asio::awaitable<void> strange_keys(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, server.url());
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  RedisLink admin(executor, *Address::parse(server.url()));
  EXPECT_TRUE(co_await admin.ready_within(2s));
  (void)co_await admin.command(words("SET", key_of("words"), "not a number"));
  EXPECT_EQ((co_await admit(limits, "words")).requests.remaining, 99) << "unreadable is full";
  (void)co_await admin.command(words("LPUSH", key_of("list"), "x"));
  const auto answer = co_await admit(limits, "list");
  EXPECT_TRUE(answer.allowed);
  EXPECT_TRUE(answer.degraded) << "a script that fails leaves the decision to this process";
}

TEST(RedisLimiter, BearsStrangeValuesAtItsKeys) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(strange_keys(server));
}

asio::awaitable<void> killed_under_load(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, server.url());
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  int allowed = 0;
  for (int i = 0; i < 60; ++i) allowed += (co_await admit(limits, "u")).allowed;
  EXPECT_EQ(allowed, 60);
  server.kill();
  auto slowest = Clock::duration::zero();
  int degraded = 0;
  for (int i = 0; i < 200; ++i) {
    const auto started = Clock::now();
    const auto answer = co_await admit(limits, "u");
    slowest = std::max(slowest, Clock::now() - started);
    allowed += answer.allowed;
    degraded += answer.degraded;
  }
  EXPECT_EQ(allowed, 100) << "the local bucket goes on where Redis left off";
  EXPECT_GE(degraded, 195);
  EXPECT_LT(slowest, 60ms);
  EXPECT_TRUE(limits.degraded());

  server.start();  // with an empty memory
  const auto back = Clock::now();
  auto answer = co_await admit(limits, "u");
  while (answer.degraded && Clock::now() - back < 10s) {
    co_await pause_for(5ms);
    answer = co_await admit(limits, "u");
  }
  EXPECT_LT(Clock::now() - back, 5s);
  EXPECT_FALSE(answer.degraded);
  EXPECT_FALSE(answer.allowed) << "Redis knows the debt of this process";
  EXPECT_FALSE(limits.degraded());
  EXPECT_TRUE((co_await admit(limits, "another")).allowed);
}

TEST(RedisLimiter, DecidesItselfWhileTheServerIsDeadAndNeverGivesMore) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(killed_under_load(server));
}

asio::awaitable<void> stopped_under_load(RedisServer& server) {
  LimiterOptions options;
  options.buckets = an_hour(100'000);
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, server.url(), options);
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  EXPECT_FALSE((co_await admit(limits, "u")).degraded);
  server.pause();
  int waited = 0, degraded = 0;
  const auto paused = Clock::now();
  while (Clock::now() - paused < 1'500ms) {
    const auto started = Clock::now();
    const auto answer = co_await admit(limits, "u");
    waited += Clock::now() - started > 20ms;
    degraded += answer.degraded;
    EXPECT_TRUE(answer.allowed);
    co_await pause_for(1ms);
  }
  EXPECT_GT(degraded, 500);
  EXPECT_LE(waited, 8) << "a hanging server costs few requests the timeout";
  EXPECT_TRUE(limits.degraded());
  server.resume();
  const auto back = Clock::now();
  for (auto answer = co_await admit(limits, "u"); answer.degraded && Clock::now() - back < 10s;
       answer = co_await admit(limits, "u"))
    co_await pause_for(5ms);
  EXPECT_LT(Clock::now() - back, 5s);
  EXPECT_FALSE(limits.degraded());
}

TEST(RedisLimiter, DecidesItselfWhileTheServerHangs) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(stopped_under_load(server));
}

asio::awaitable<void> cancelled_admissions(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, server.url());
  EXPECT_TRUE(co_await limits.limiter.ready_within(2s));
  server.pause();
  runtime::TaskGroup group(executor);
  auto ask = [](Limits& use) -> asio::awaitable<void> { (void)co_await admit(use, "u"); };
  for (int i = 0; i < 50; ++i) group.spawn(ask(limits));
  co_await pause_for(5ms);
  group.cancel();
  co_await group.join();  // would rethrow what admit() threw
  server.resume();
  co_await pause_for(20ms);
  EXPECT_FALSE((co_await admit(limits, "v")).degraded) << "callers that left are no failures";
}

TEST(RedisLimiter, CallersThatLeaveAreNoFailuresOfRedis) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(cancelled_admissions(server));
}

asio::awaitable<void> never_there(std::string url) {
  LimiterOptions options;
  options.buckets = an_hour(3);
  const auto executor = co_await asio::this_coro::executor;
  Limits limits(executor, url, options);
  for (int i = 0; i < 5; ++i) {
    const auto answer = co_await admit(limits, "u");
    EXPECT_EQ(answer.allowed, i < 3);
    EXPECT_TRUE(answer.degraded);
  }
  EXPECT_FALSE(limits.limiter.connected());
  EXPECT_TRUE(limits.degraded());
}

TEST(RedisLimiter, LimitsWithoutAServer) {
  run(never_there("redis://127.0.0.1:" + std::to_string(free_port())));
}

TEST(RedisLimiter, LimitsWithAWrongPassword) {
  NEED_REDIS_SERVER();
  RedisServer server("right");
  run(never_there(server.url(":wrong@")));
}

}  // namespace
}  // namespace memseal::redis

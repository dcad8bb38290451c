#include "adapters/redis/limiter.hpp"

#include "base/assert.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>

namespace memseal::redis {

namespace {

using Clock = std::chrono::steady_clock;
using policy::BucketAnswer;
using policy::RateAnswer;

// The script's reply: whether the request passes, then so many numbers for each limit.
constexpr std::size_t numbers_of_limit = 4;

std::int64_t micros(Clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
}

ports::Level level(const BucketAnswer& answer, const policy::BucketRules& rules) {
  return {.limit = rules.tokens,
          .remaining = answer.remaining,
          .reset_s = answer.reset_s,
          .retry_after_s = answer.retry_after_s};
}

ports::Admission admission(const RateAnswer& answer, const policy::RateRules& rules,
                           bool degraded) {
  ports::Admission result{.allowed = answer.allowed,
                          .window_s = rules.requests.window_s,
                          .requests = level(answer.requests, rules.requests),
                          .degraded = degraded};
  if (rules.tokens) result.tokens = level(answer.tokens, *rules.tokens);
  return result;
}

std::size_t limits_of(const policy::RateRules& rules) { return rules.tokens ? 2 : 1; }

// Another server, or another program under the same key, may answer: nothing is used unchecked.
bool is_answer(const Reply& reply, const policy::RateRules& rules) {
  return reply.kind == Reply::Kind::list &&
         reply.items.size() == 1 + limits_of(rules) * numbers_of_limit &&
         std::all_of(reply.items.begin(), reply.items.end(), [](const Reply& item) {
           return item.kind == Reply::Kind::integer && item.integer >= 0;
         });
}

BucketAnswer answer_of_limit(const Reply& reply, std::size_t at) {
  const auto& items = reply.items;
  return {.allowed = items[at + 2].integer == 0,
          .remaining = items[at].integer,
          .reset_s = items[at + 1].integer,
          .retry_after_s = items[at + 2].integer};
}

/// What a reply says: the decision, and the debts after it.
std::pair<RateAnswer, policy::RateDebt> read_answer(const Reply& reply,
                                                    const policy::RateRules& rules) {
  RateAnswer answer{
      .allowed = reply.items[0].integer != 0, .requests = answer_of_limit(reply, 1), .tokens = {}};
  policy::RateDebt debt{.requests_us = reply.items[numbers_of_limit].integer, .tokens_us = 0};
  if (!rules.tokens) return {answer, debt};
  answer.tokens = answer_of_limit(reply, 1 + numbers_of_limit);
  debt.tokens_us = reply.items[2 * numbers_of_limit].integer;
  return {answer, debt};
}

bool is_error(const Result<Reply>& reply, std::string_view code) {
  return reply && reply->kind == Reply::Kind::error &&
         std::string_view(reply->text).starts_with(code);
}

std::chrono::milliseconds left_until(Clock::time_point until) {
  // Rounded up, because 0 ms would time out a command that has some time left.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

LinkOptions link_options(const LimiterOptions& options, std::function<void(bool)> on_change) {
  LinkOptions link;
  link.reply_timeout = options.timeout;
  link.on_change = std::move(on_change);
  return link;
}

runtime::Counter& command_counter(runtime::Metrics& metrics, const char* outcome) {
  return metrics.counter("memseal_redis_commands_total", "Commands sent to Redis, by outcome.",
                         {{"outcome", outcome}});
}

}  // namespace

RedisLimiter::RedisLimiter(asio::any_io_executor executor, Address address, LimiterOptions options,
                           runtime::Metrics& metrics)
    : options_(std::move(options)),
      degraded_gauge_(metrics.gauge("memseal_ratelimit_degraded",
                                    "Redis links whose last decision was made without Redis.")),
      commands_{&command_counter(metrics, "ok"),        &command_counter(metrics, "unavailable"),
                &command_counter(metrics, "timeout"),   &command_counter(metrics, "overloaded"),
                &command_counter(metrics, "cancelled"), &command_counter(metrics, "error")},
      breaker_(
          {.failures_max = 3, .slow = options_.timeout * 2, .cool_down = std::chrono::seconds(1)}),
      link_(std::move(executor), std::move(address),
            link_options(options_, [this](bool connected) { link_changed(connected); })) {
  MEMSEAL_ASSERT(options_.local != nullptr);
}

// The gauge counts the links of the whole process, so a link takes itself out at its end.
RedisLimiter::~RedisLimiter() { set_degraded(false); }

void RedisLimiter::link_changed(bool connected) {
  if (connected) {
    // The new connection may lead to another server, or to one that restarted without its data.
    script_hash_.clear();
    options_.local->mark_all_unsynced();
    // The failures that the breaker counted belong to the old connection.
    breaker_ = policy::Breaker(
        {.failures_max = 3, .slow = options_.timeout * 2, .cool_down = std::chrono::seconds(1)});
  }
  set_degraded(!connected);
}

void RedisLimiter::set_degraded(bool degraded) {
  if (std::exchange(degraded_, degraded) == degraded) return;
  if (degraded)
    degraded_gauge_.Increment();
  else
    degraded_gauge_.Decrement();
}

void RedisLimiter::count(const Result<Reply>& reply) {
  enum { ok, away, timeout, overloaded, cancelled, error };
  auto outcome = ok;
  if (!reply) {
    switch (reply.error().code) {
      case Errc::timeout:
        outcome = timeout;
        break;
      case Errc::overloaded:
        outcome = overloaded;
        break;
      case Errc::cancelled:
        outcome = cancelled;
        break;
      default:
        outcome = away;
        break;
    }
  } else if (reply->kind == Reply::Kind::error) {
    outcome = error;
  }
  commands_[outcome]->Increment();
}

std::vector<std::string> RedisLimiter::script_call(const Question& question, bool by_hash) const {
  const auto& [key, tokens, unsynced] = question;
  const auto& rules = options_.local->rules(key.bucket);
  std::vector<std::string> words{by_hash ? "EVALSHA" : "EVAL",
                                 by_hash ? script_hash_ : std::string(gcra_script()),
                                 std::to_string(limits_of(rules))};
  // 64 bits of a keyed hash tell users apart, and Redis never learns who they are.
  const auto bucket = "rl:{" + to_hex(key.user.bytes.data(), 8) +
                      "}:" + std::string(ports::bucket_name(key.bucket));
  words.push_back(bucket + ":requests");
  if (rules.tokens) words.push_back(bucket + ":tokens");
  const auto limit = [&](const policy::BucketRules& of, std::int64_t debt_us, std::int64_t cost) {
    for (const auto number : {of.tokens, of.token_us(), debt_us, cost})
      words.push_back(std::to_string(number));
  };
  limit(rules.requests, unsynced.debt.requests_us, 1);
  if (rules.tokens) limit(*rules.tokens, unsynced.debt.tokens_us, tokens);
  return words;
}

asio::awaitable<Result<Reply>> RedisLimiter::run_script(const Question& question,
                                                        Clock::time_point until) {
  // Up to three commands share one deadline, because a request of a user waits for all of them.
  if (script_hash_.empty()) {
    std::vector<std::string> load{"SCRIPT", "LOAD", std::string(gcra_script())};
    auto loaded = co_await link_.command(std::move(load), left_until(until));
    count(loaded);
    if (!loaded || loaded->kind != Reply::Kind::text) co_return loaded;
    script_hash_ = loaded->text;
  }
  auto reply = co_await link_.command(script_call(question, true), left_until(until));
  count(reply);
  if (is_error(reply, "NOSCRIPT")) {
    // The server's script cache was flushed. EVAL runs the script and caches it again.
    reply = co_await link_.command(script_call(question, false), left_until(until));
    count(reply);
  }
  co_return reply;
}

asio::awaitable<std::optional<RateAnswer>> RedisLimiter::ask_redis(
    const runtime::RequestContext& context, const BucketKey& key, std::int64_t tokens) {
  const auto started = Clock::now();
  if (!link_.connected() || !breaker_.allows(started)) co_return std::nullopt;
  const auto budget = std::min<Clock::duration>(options_.timeout, context.deadline.left());
  // Read the debt before the request leaves. A decision that the local bucket makes meanwhile has a
  // later version and stays unsynced.
  const Question question{key, tokens, options_.local->unsynced(key, micros(started))};
  const auto reply = co_await run_script(question, started + budget);
  if (!reply && (reply.error().code == Errc::cancelled || budget < options_.timeout)) {
    breaker_.forget();  // the caller left or had little time: that is no failure of Redis
    co_return std::nullopt;
  }
  const auto took = Clock::now() - started;
  const auto& rules = options_.local->rules(key.bucket);
  const bool good = reply && is_answer(*reply, rules);
  // An error reply is a failure too: a Redis that is loading its data or out of memory decides
  // nothing.
  breaker_.record(Clock::now(), took, good);
  if (!good) co_return std::nullopt;
  const auto [answer, debt] = read_answer(*reply, rules);
  // Use the time the request was sent, not received, so the local debt never overstates Redis's.
  options_.local->reconcile(key, micros(started), debt, question.unsynced);
  co_return answer;
}

asio::awaitable<ports::Admission> RedisLimiter::admit(runtime::RequestContext context,
                                                      crypto::Tenant who, ports::Bucket bucket,
                                                      std::int64_t tokens) {
  const BucketKey key{who.hash(), bucket};
  const auto& rules = options_.local->rules(bucket);
  std::optional<RateAnswer> answer;
  bool cancelled = false;
  try {
    answer = co_await ask_redis(context, key, tokens);
  } catch (const boost::system::system_error&) {
    // The caller was cancelled. Still decide, by the local bucket, because admit() must not throw.
    breaker_.forget();
    cancelled = true;
  }
  // A client that left says nothing about Redis.
  const auto state = co_await asio::this_coro::cancellation_state;
  if (!cancelled && state.cancelled() == asio::cancellation_type::none) set_degraded(!answer);
  if (answer) co_return admission(*answer, rules, false);
  co_return admission(options_.local->take(key, micros(Clock::now()), tokens), rules, true);
}

namespace {

std::optional<ports::Admission> local_refusal(const LocalBuckets& buckets, const BucketKey& key,
                                              bool degraded) {
  const auto answer = buckets.refusal(key, micros(Clock::now()));
  if (!answer) return std::nullopt;
  return admission(*answer, buckets.rules(key.bucket), degraded);
}

}  // namespace

std::optional<ports::Admission> RedisLimiter::known_refusal(const crypto::Tenant& who,
                                                            ports::Bucket bucket) {
  // The local debt is never above the shared one, so Redis would refuse the request too.
  return local_refusal(*options_.local, {who.hash(), bucket}, degraded_);
}

asio::awaitable<ports::Admission> MemoryLimiter::admit(runtime::RequestContext, crypto::Tenant who,
                                                       ports::Bucket bucket, std::int64_t tokens) {
  const BucketKey key{who.hash(), bucket};
  co_return admission(buckets_->take(key, micros(Clock::now()), tokens), buckets_->rules(bucket),
                      false);
}

std::optional<ports::Admission> MemoryLimiter::known_refusal(const crypto::Tenant& who,
                                                             ports::Bucket bucket) {
  return local_refusal(*buckets_, {who.hash(), bucket}, false);
}

Result<std::shared_ptr<LocalBuckets>> make_local_buckets(const LimiterOptions& options) {
  for (std::size_t i = 0; i < options.buckets.size(); ++i)
    if (!options.buckets[i].valid())
      return Error{Errc::bad_config,
                   "a limit has 1 to " + std::to_string(policy::BucketRules::tokens_max) +
                       " requests or tokens in 1 to " +
                       std::to_string(policy::BucketRules::window_s_max) + " seconds",
                   "ratelimit." + std::string(ports::bucket_name(static_cast<ports::Bucket>(i))) +
                       "_requests"};
  return std::make_shared<LocalBuckets>(options.buckets);
}

Result<std::unique_ptr<ManagedLimiter>> make_limiter(asio::any_io_executor executor,
                                                     LimiterOptions options,
                                                     runtime::Metrics& metrics) {
  if (!options.local) {
    auto local = make_local_buckets(options);
    if (!local) return local.error();
    options.local = std::move(*local);
  }
  if (options.url.empty())
    return std::unique_ptr<ManagedLimiter>(std::make_unique<MemoryLimiter>(options.local));
  if (options.timeout < std::chrono::milliseconds(1))
    return Error{Errc::bad_config, "must be at least 1 ms", "redis.timeout_ms"};
  auto address = Address::parse(options.url);
  if (!address) return address.error();
  options.url.clear();  // it holds the password
  return std::unique_ptr<ManagedLimiter>(std::make_unique<RedisLimiter>(
      std::move(executor), std::move(*address), std::move(options), metrics));
}

}  // namespace memseal::redis

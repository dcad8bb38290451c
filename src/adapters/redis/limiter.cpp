#include "adapters/redis/limiter.hpp"

#include "base/assert.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>

namespace memseal::redis {

namespace {

using Clock = std::chrono::steady_clock;
using policy::BucketAnswer;

constexpr std::size_t answer_size = 5;  // elements of the script's reply

std::int64_t micros(Clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count();
}

ports::Admission admission(const BucketAnswer& answer, const policy::BucketRules& rules,
                           bool degraded) {
  return {.allowed = answer.allowed,
          .limit = rules.tokens,
          .remaining = answer.remaining,
          .window_s = rules.window_s,
          .reset_s = answer.reset_s,
          .retry_after_s = answer.retry_after_s,
          .degraded = degraded};
}

// Another server, or another program under the same key, may answer: nothing is used unchecked.
bool is_answer(const Reply& reply) {
  return reply.kind == Reply::Kind::list && reply.items.size() == answer_size &&
         std::all_of(reply.items.begin(), reply.items.end(), [](const Reply& item) {
           return item.kind == Reply::Kind::integer && item.integer >= 0;
         });
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

std::vector<std::string> RedisLimiter::script_call(const UserHash& user, std::int64_t debt_us,
                                                   bool by_hash) {
  const auto& rules = options_.local->rules();
  std::vector<std::string> words{by_hash ? "EVALSHA" : "EVAL",
                                 by_hash ? script_hash_ : std::string(gcra_script()), "1"};
  // 64 bits of a keyed hash tell users apart, and Redis never learns who they are.
  words.push_back("rl:{" + to_hex(user.bytes.data(), 8) + '}');
  words.push_back(std::to_string(rules.tokens));
  words.push_back(std::to_string(rules.token_us()));
  words.push_back(std::to_string(debt_us));
  return words;
}

asio::awaitable<Result<Reply>> RedisLimiter::run_script(const UserHash& user, std::int64_t debt_us,
                                                        Clock::time_point until) {
  // Up to three commands share one deadline, because a request of a user waits for all of them.
  if (script_hash_.empty()) {
    std::vector<std::string> load{"SCRIPT", "LOAD", std::string(gcra_script())};
    auto loaded = co_await link_.command(std::move(load), left_until(until));
    count(loaded);
    if (!loaded || loaded->kind != Reply::Kind::text) co_return loaded;
    script_hash_ = loaded->text;
  }
  auto reply = co_await link_.command(script_call(user, debt_us, true), left_until(until));
  count(reply);
  if (is_error(reply, "NOSCRIPT")) {
    // The server's script cache was flushed. EVAL runs the script and caches it again.
    reply = co_await link_.command(script_call(user, debt_us, false), left_until(until));
    count(reply);
  }
  co_return reply;
}

asio::awaitable<std::optional<BucketAnswer>> RedisLimiter::ask_redis(
    const runtime::RequestContext& context, const UserHash& user) {
  const auto started = Clock::now();
  if (!link_.connected() || !breaker_.allows(started)) co_return std::nullopt;
  const auto budget = std::min<Clock::duration>(options_.timeout, context.deadline.left());
  // Read the debt before the request leaves. A decision that the local bucket makes meanwhile has a
  // later version and stays unsynced.
  const auto unsynced = options_.local->unsynced(user, micros(started));
  const auto reply = co_await run_script(user, unsynced.debt_us, started + budget);
  if (!reply && (reply.error().code == Errc::cancelled || budget < options_.timeout)) {
    breaker_.forget();  // the caller left or had little time: that is no failure of Redis
    co_return std::nullopt;
  }
  const auto took = Clock::now() - started;
  const bool good = reply && is_answer(*reply);
  // An error reply is a failure too: a Redis that is loading its data or out of memory decides
  // nothing.
  breaker_.record(Clock::now(), took, good);
  if (!good) co_return std::nullopt;
  const auto& items = reply->items;
  // Use the time the request was sent, not received, so the local debt never overstates Redis's.
  options_.local->reconcile(user, micros(started), items[4].integer, unsynced);
  co_return BucketAnswer{items[0].integer != 0, items[1].integer, items[2].integer,
                         items[3].integer};
}

asio::awaitable<ports::Admission> RedisLimiter::admit(runtime::RequestContext context,
                                                      crypto::Tenant who) {
  const auto& rules = options_.local->rules();
  std::optional<BucketAnswer> answer;
  try {
    answer = co_await ask_redis(context, who.hash());
  } catch (const boost::system::system_error&) {
    // The caller was cancelled. Still decide, by the local bucket, because admit() must not throw.
    breaker_.forget();
  }
  set_degraded(!answer);
  if (answer) co_return admission(*answer, rules, false);
  co_return admission(options_.local->take(who.hash(), micros(Clock::now())), rules, true);
}

asio::awaitable<ports::Admission> MemoryLimiter::admit(runtime::RequestContext,
                                                       crypto::Tenant who) {
  co_return admission(buckets_->take(who.hash(), micros(Clock::now())), buckets_->rules(), false);
}

Result<std::shared_ptr<LocalBuckets>> make_local_buckets(const LimiterOptions& options) {
  const policy::BucketRules rules{options.requests, options.window_s};
  if (!rules.valid())
    return Error{Errc::bad_config,
                 "a limit has 1 to " + std::to_string(policy::BucketRules::tokens_max) +
                     " requests in 1 to " + std::to_string(policy::BucketRules::window_s_max) +
                     " seconds",
                 "ratelimit.requests"};
  return std::make_shared<LocalBuckets>(rules);
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

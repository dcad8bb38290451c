#include "adapters/redis/link.hpp"

#include "integration/redis/run.hpp"
#include "runtime/condition.hpp"
#include "runtime/task_group.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <ctime>

namespace memseal::redis {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using runtime::pause_for;
using Clock = std::chrono::steady_clock;

Address address_of(const std::string& url) { return *Address::parse(url); }

asio::awaitable<Reply> get(RedisLink& link, std::vector<std::string> args) {
  auto reply = co_await link.command(std::move(args), 2s);
  EXPECT_TRUE(reply) << reply.error().message;
  co_return reply ? *reply : Reply{};
}

asio::awaitable<void> commands_of_every_kind(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  EXPECT_TRUE(link.connected());
  EXPECT_EQ((co_await get(link, words("PING"))).text, "PONG");
  EXPECT_EQ((co_await get(link, words("GET", "none"))).kind, Reply::Kind::nothing);
  const std::string binary("a\0\r\n\xff", 5);
  EXPECT_EQ((co_await get(link, words("SET", "k", binary))).text, "OK");
  EXPECT_EQ((co_await get(link, words("GET", "k"))).text, binary);
  for (int i = 1; i <= 500; ++i) EXPECT_EQ((co_await get(link, words("INCR", "n"))).integer, i);
  const auto list = co_await get(link, words("EVAL", "return {1,{'x',false}}", "0"));
  EXPECT_EQ(list.kind, Reply::Kind::list);
  EXPECT_EQ(list.items.at(1).items.at(0).text, "x");
  const auto error = co_await get(link, words("NOSUCH"));
  EXPECT_EQ(error.kind, Reply::Kind::error);
  EXPECT_TRUE(error.text.starts_with("ERR unknown command"));
}

TEST(RedisLink, AnswersCommandsOfEveryKind) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(commands_of_every_kind(server));
}

asio::awaitable<void> increments(RedisLink& link, int count) {
  for (int i = 0; i < count; ++i) (void)co_await get(link, words("INCR", "n"));
}

asio::awaitable<void> many_at_a_time(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  runtime::TaskGroup group(executor);
  for (int i = 0; i < 64; ++i) group.spawn(increments(link, 50));
  co_await group.join();
  EXPECT_EQ((co_await get(link, words("GET", "n"))).text, "3200");
}

TEST(RedisLink, KeepsManyCommandsInStep) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(many_at_a_time(server));
}

asio::awaitable<void> slow_command(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  const auto started = Clock::now();
  const auto late = co_await link.command(words("BLPOP", "none", "0.3"));
  EXPECT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timeout);
  EXPECT_LT(Clock::now() - started, 200ms);
  EXPECT_EQ((co_await get(link, words("ECHO", "next"))).text, "next")
      << "the late reply found nobody, and the next one its own waiter";
}

TEST(RedisLink, StopsWaitingAtItsTimeoutAndStaysInStep) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(slow_command(server));
}

asio::awaitable<void> cancelled_commands(RedisServer& server) {
  using namespace asio::experimental::awaitable_operators;
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  for (int i = 0; i < 200; ++i)
    (void)co_await (link.command(words("INCR", "m")) || asio::post(asio::use_awaitable));
  EXPECT_EQ((co_await get(link, words("ECHO", "in step"))).text, "in step");
  EXPECT_EQ((co_await get(link, words("GET", "m"))).text, "200");
  // The server ends such a wait only every tenth of a second: few of them.
  for (int i = 0; i < 5; ++i)
    (void)co_await (link.command(words("BLPOP", "none", "0.001"), 1s) || pause_for(500us));
  EXPECT_EQ((co_await get(link, words("ECHO", "still"))).text, "still");
}

TEST(RedisLink, SurvivesTwoHundredCancelledCommands) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(cancelled_commands(server));
}

asio::awaitable<void> killed_server(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  std::vector<bool> changes;
  LinkOptions options;
  options.on_change = [&changes](bool up) { changes.push_back(up); };
  RedisLink link(executor, address_of(server.url()), options);
  EXPECT_TRUE(co_await link.ready_within(2s));
  runtime::TaskGroup group(executor);
  auto blocked = [](RedisLink& use) -> asio::awaitable<void> {
    const auto reply = co_await use.command(words("BLPOP", "none", "5"), 5s);
    EXPECT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Errc::unavailable);
  };
  for (int i = 0; i < 8; ++i) group.spawn(blocked(link));
  co_await pause_for(20ms);
  server.kill();
  const auto started = Clock::now();
  co_await group.join();
  EXPECT_LT(Clock::now() - started, 1s) << "open commands end when the connection does";
  co_await pause_for(20ms);
  EXPECT_FALSE(link.connected());
  const auto refused = co_await link.command(words("PING"));
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable) << "at once, not after a timeout";
  co_await pause_for(300ms);
  server.start();
  EXPECT_TRUE(co_await link.ready_within(5s));
  EXPECT_EQ((co_await get(link, words("PING"))).text, "PONG");
  EXPECT_EQ(changes, (std::vector<bool>{true, false, true}));
}

TEST(RedisLink, ComesBackAfterTheServerWasKilled) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(killed_server(server));
}

asio::awaitable<void> stopped_server(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  server.pause();
  const auto until = Clock::now() + 5s;
  while (link.connected() && Clock::now() < until) (void)co_await link.command(words("PING"));
  EXPECT_FALSE(link.connected()) << "a silent peer is given up";
  co_await pause_for(1'200ms);  // attempts meet a kernel that accepts and a server that is silent
  EXPECT_FALSE(link.connected());
  server.resume();
  EXPECT_TRUE(co_await link.ready_within(5s));
  EXPECT_EQ((co_await get(link, words("PING"))).text, "PONG");
}

TEST(RedisLink, GivesUpASilentServerAndComesBackWhenItSpeaks) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(stopped_server(server));
}

asio::awaitable<void> refused_port() {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of("redis://127.0.0.1:" + std::to_string(free_port())));
  EXPECT_FALSE(co_await link.ready_within(300ms));
  EXPECT_FALSE(co_await link.command(words("PING")));
  { RedisLink gone_at_once(executor, address_of("redis://127.0.0.1:1")); }
  RedisLink nameless(executor, address_of("redis://no-such-host.invalid"));
  EXPECT_FALSE(co_await nameless.ready_within(100ms));
}

TEST(RedisLink, BearsARefusedPortAndANameNobodyHas) { run(refused_port()); }

asio::awaitable<void> passwords(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink right(executor, address_of(server.url(":s%40crET@")));
  EXPECT_TRUE(co_await right.ready_within(2s));
  RedisLink named(executor, address_of(server.url("default:s%40crET@")));
  EXPECT_TRUE(co_await named.ready_within(2s));
  RedisLink wrong(executor, address_of(server.url(":other@")));
  RedisLink none(executor, address_of(server.url()));
  EXPECT_FALSE(co_await wrong.ready_within(300ms));
  EXPECT_FALSE(none.connected());
  EXPECT_EQ((co_await get(right, words("PING"))).text, "PONG");
}

TEST(RedisLink, EntersWithItsPasswordAndNotWithAnother) {
  NEED_REDIS_SERVER();
  RedisServer server("s@crET");
  run(passwords(server));
}

asio::awaitable<void> databases(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  const auto port = std::to_string(server.port());
  RedisLink three(executor, address_of("redis://localhost:" + port + "/3"));
  EXPECT_TRUE(co_await three.ready_within(2s));
  (void)co_await get(three, words("SET", "k", "three"));
  RedisLink zero(executor, address_of("redis://127.0.0.1:" + port));
  EXPECT_TRUE(co_await zero.ready_within(2s));
  EXPECT_EQ((co_await get(zero, words("GET", "k"))).kind, Reply::Kind::nothing);
  (void)co_await get(zero, words("SELECT", "3"));
  EXPECT_EQ((co_await get(zero, words("GET", "k"))).text, "three");
  RedisLink absent(executor, address_of("redis://127.0.0.1:" + port + "/999"));
  EXPECT_FALSE(co_await absent.ready_within(300ms));
}

TEST(RedisLink, SelectsItsDatabase) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(databases(server));
}

asio::awaitable<void> bounded(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  LinkOptions options;
  options.commands_max = 10;
  RedisLink link(executor, address_of(server.url()), options);
  EXPECT_TRUE(co_await link.ready_within(2s));
  server.pause();
  int overloaded = 0, late = 0;
  auto ask = [](RedisLink& use, int& refused, int& timed_out) -> asio::awaitable<void> {
    const auto reply = co_await use.command(words("PING"));
    if (!reply) ++(reply.error().code == Errc::overloaded ? refused : timed_out);
  };
  runtime::TaskGroup group(executor);
  for (int i = 0; i < 25; ++i) group.spawn(ask(link, overloaded, late));
  co_await group.join();
  server.resume();
  EXPECT_EQ(late, 10);
  EXPECT_EQ(overloaded, 15);
}

TEST(RedisLink, RefusesMoreCommandsThanItsBound) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(bounded(server));
}

asio::awaitable<void> closed_while_waiting(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  runtime::TaskGroup group(executor);
  auto blocked = [](RedisLink& use) -> asio::awaitable<void> {
    const auto reply = co_await use.command(words("BLPOP", "none", "5"), 5s);
    EXPECT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Errc::cancelled);
  };
  group.spawn(blocked(link));
  co_await pause_for(10ms);
  link.close();
  link.close();
  co_await group.join();
  const auto after = co_await link.command(words("PING"));
  EXPECT_EQ(after.error().code, Errc::cancelled);
  EXPECT_FALSE(co_await link.ready_within(1s));
}

TEST(RedisLink, EndsItsCommandsWhenItIsClosed) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(closed_while_waiting(server));
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

asio::awaitable<void> idle(RedisServer& server) {
  const auto executor = co_await asio::this_coro::executor;
  RedisLink link(executor, address_of(server.url()));
  EXPECT_TRUE(co_await link.ready_within(2s));
  const auto before = cpu_seconds();
  co_await pause_for(500ms);
  EXPECT_LT(cpu_seconds() - before, 0.02) << "an idle link does not turn";
}

TEST(RedisLink, CostsNothingWhileIdle) {
  NEED_REDIS_SERVER();
  RedisServer server;
  run(idle(server));
}

}  // namespace
}  // namespace memseal::redis

#include "adapters/kafka/sink.hpp"

#include "faulty_broker.hpp"
#include "rig.hpp"

#include <map>
#include <optional>
#include <set>
#include <thread>

namespace memseal::kafka {
namespace {

using namespace std::chrono_literals;

struct SinkTest : testing::Test {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;

  std::unique_ptr<KafkaSink> open(SinkOptions options) {
    options.client.brokers = broker.bootstrap();
    options.topics = {.upload = "t", .chat = "c", .status = "s"};
    auto sink = KafkaSink::open(loop.get_executor(), std::move(options), metrics);
    return std::move(sink.value());
  }
};

ports::OutRecord record(std::string value) {
  ports::OutRecord out{
      .channel = ports::Channel::upload, .key = "k", .value = std::move(value), .headers = {}};
  out.headers.emplace_back("memseal-error-code", "bad_event");
  return out;
}

asio::awaitable<void> publish_one(KafkaSink& sink, ports::OutRecord out,
                                  runtime::Deadline deadline, Errc& outcome) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(sink.run());
  try {
    runtime::RequestContext context{.id = "t", .deadline = deadline};
    co_await sink.publish(std::move(context), std::move(out));
    outcome = Errc::cancelled;   // Stands for "confirmed".
  } catch (const Failure& failed) {
    outcome = failed.error().code;
  }
  sink.request_stop();
  co_await tasks.join();
}

TEST_F(SinkTest, PublishesWithKeyAndHeaders) {
  broker.create_topic("t", 1);
  auto sink = open({});
  Errc outcome{};
  test::run_to_end(loop, publish_one(*sink, record("sealed"), runtime::Deadline::never(), outcome));
  EXPECT_EQ(outcome, Errc::cancelled);
  auto source = KafkaSource::open(loop.get_executor(), source_options(broker.bootstrap(), "t"),
                                  metrics);
  test::run_to_end(loop, consume_and_stop(*source.value(), [&](const ports::Record& seen) {
    EXPECT_EQ(seen.value, "sealed");
    EXPECT_EQ(seen.key, "k");
    EXPECT_EQ(seen.headers.at(0).second, "bad_event");
    return false;
  }));
}

asio::awaitable<void> publish_pairs(KafkaSink& sink, int pairs) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(sink.run());
  for (int i = 0; i < pairs; ++i) {
    auto plain = record("plain"), sealed = record("sealed");
    plain.key = sealed.placed_by = "user " + std::to_string(i);
    sealed.key = "hash " + std::to_string(i);
    const runtime::RequestContext context{"t"};
    co_await sink.publish(context, std::move(plain));
    co_await sink.publish(context, std::move(sealed));
  }
  sink.request_stop();
  co_await tasks.join();
}

// Whatever partitioner the operator has set, because the events of a user keep their order.
TEST_F(SinkTest, PutsARecordWithASealedKeyWhereTheOthersOfItsUserLie) {
  constexpr int pairs = 20;
  for (const auto* partitioner : {"consistent_random", "murmur2_random"}) {
    FaultyBroker fresh;
    fresh.create_topic("t", 7);
    SinkOptions options{.topics = {.upload = "t", .chat = "c", .status = "s"}};
    options.client.brokers = fresh.bootstrap();
    options.client.properties["partitioner"] = partitioner;
    auto sink = KafkaSink::open(loop.get_executor(), std::move(options), metrics);
    test::run_to_end(loop, publish_pairs(*sink.value(), pairs));
    std::map<std::string, std::int32_t> places;
    std::set<std::int32_t> used;
    auto source = KafkaSource::open(loop.get_executor(), source_options(fresh.bootstrap(), "t"),
                                    metrics);
    test::run_to_end(loop, consume_and_stop(*source.value(), [&](const ports::Record& seen) {
      places[seen.key] = seen.partition;
      used.insert(seen.partition);
      return places.size() < 2 * pairs;
    }));
    for (int i = 0; i < pairs; ++i)
      EXPECT_EQ(places.at("user " + std::to_string(i)), places.at("hash " + std::to_string(i)));
    EXPECT_GT(used.size(), 3u) << partitioner;
  }
}

TEST_F(SinkTest, RetriesWhatTheBrokerRefusesForNow) {
  broker.create_topic("t", 1);
  broker.fail_next(Api::produce, {6 /* not leader */, 7 /* timed out */, -195 /* transport */});
  auto sink = open({});
  Errc outcome{};
  test::run_to_end(loop, publish_one(*sink, record("x"), runtime::Deadline::never(), outcome));
  EXPECT_EQ(outcome, Errc::cancelled);
}

asio::awaitable<void> watch_reach(KafkaSink& sink, FaultyBroker& broker, std::vector<bool>& seen) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(sink.run());
  seen.push_back(sink.reachable());  // Nothing is known yet.
  for (const bool up : {false, true}) {
    broker.set_up(up);
    for (int i = 0; i < 2'000 && sink.reachable() != up; ++i) co_await runtime::pause_for(10ms);
    seen.push_back(sink.reachable());
  }
  sink.request_stop();
  co_await tasks.join();
}

TEST_F(SinkTest, KnowsWhetherAnyBrokerCanBeReached) {
  broker.create_topic("t", 1);
  auto sink = open({.stop_wait = 100ms});
  std::vector<bool> seen;
  test::run_to_end(loop, watch_reach(*sink, broker, seen));
  EXPECT_EQ(seen, (std::vector<bool>{true, false, true}));
}

TEST_F(SinkTest, GivesUpAtTheDeadlineOfTheRecord) {
  broker.create_topic("t", 1);
  broker.set_up(false);
  auto sink = open({.stop_wait = 100ms});
  Errc outcome{};
  const auto start = std::chrono::steady_clock::now();
  test::run_to_end(loop,
                   publish_one(*sink, record("x"), runtime::Deadline::after(300ms), outcome));
  EXPECT_EQ(outcome, Errc::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST_F(SinkTest, SaysThatARecordIsTooLarge) {
  broker.create_topic("t", 1);
  auto sink = open({});
  Errc outcome{};
  test::run_to_end(loop, publish_one(*sink, record(std::string(5u << 20, 'x')),
                                     runtime::Deadline::never(), outcome));
  EXPECT_EQ(outcome, Errc::payload_too_large);
}

asio::awaitable<void> publish_when_connected(KafkaSink& sink, ports::OutRecord out,
                                             std::chrono::steady_clock::duration& took) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(sink.run());
  co_await runtime::pause_for(100ms);
  runtime::RequestContext context{.id = "t"};
  const auto start = std::chrono::steady_clock::now();
  co_await sink.publish(std::move(context), std::move(out));
  took = std::chrono::steady_clock::now() - start;
  sink.request_stop();
  co_await tasks.join();
}

// librdkafka scans its topics once a second, counted from the start of the client.
TEST_F(SinkTest, TheFirstRecordOfATopicDoesNotWaitForTheNextScanOfTopics) {
  broker.create_topic("t", 6);
  broker.create_topic("t.dlq", 1);
  for (const auto channel : {ports::Channel::upload, ports::Channel::dead_letter}) {
    auto sink = open({});
    auto out = record("x");
    out.channel = channel;
    out.source_topic = "t";
    std::chrono::steady_clock::duration took{};
    test::run_to_end(loop, publish_when_connected(*sink, std::move(out), took));
    EXPECT_LT(took, 600ms) << "of " << (channel == ports::Channel::upload ? "t" : "t.dlq");
  }
}

TEST_F(SinkTest, RefusesATopicThatTheBrokerDenies) {
  broker.create_topic("t", 1);
  broker.fail_next(Api::produce, {29 /* topic authorization failed */});
  auto sink = open({});
  Errc outcome{};
  test::run_to_end(loop, publish_one(*sink, record("x"), runtime::Deadline::never(), outcome));
  EXPECT_EQ(outcome, Errc::bad_config) << "waiting does not help";
}

struct Ends {
  std::optional<Error> run, publish, later;

  asio::awaitable<void> serve(KafkaSink& sink) {
    try {
      co_await sink.run();
    } catch (const Refused& refused) {
      run = refused.error();
    }
  }
  asio::awaitable<void> send(KafkaSink& sink, std::optional<Error>& error) {
    runtime::RequestContext context{.id = "t"};
    auto out = record("x");
    try {
      co_await sink.publish(std::move(context), std::move(out));
    } catch (const Failure& failed) {
      error = failed.error();
    }
  }
  asio::awaitable<void> all(KafkaSink& sink) {
    runtime::TaskGroup tasks(co_await asio::this_coro::executor);
    tasks.spawn(serve(sink));
    tasks.spawn(send(sink, publish));
    co_await tasks.join();
    co_await send(sink, later);
  }
};

TEST_F(SinkTest, AFatalErrorEndsItAndEveryPublish) {
  broker.create_topic("t", 1);
  broker.fail_next(Api::init_producer_id, {31 /* cluster authorization failed */});
  auto sink = open({});
  Ends ends;
  const auto start = std::chrono::steady_clock::now();
  test::run_to_end(loop, ends.all(*sink));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s) << "the flush waits for nothing";
  for (const auto& error : {ends.run, ends.publish, ends.later}) {
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Errc::bad_config) << error->message;
    EXPECT_NE(error->message.find("ACL"), std::string::npos) << error->message;
  }
}

asio::awaitable<void> publish_many(KafkaSink& sink, int count, int& confirmed) {
  for (int i = 0; i < count; ++i) {
    runtime::RequestContext context{.id = "t"};
    auto out = record("v");
    co_await sink.publish(std::move(context), std::move(out));
    ++confirmed;
  }
}

asio::awaitable<void> serve(KafkaSink& sink) { co_await sink.run(); }

TEST_F(SinkTest, ServesCallersOfOtherLoopsAndThreads) {
  broker.create_topic("t", 4);
  auto sink = open({});
  bool ended = false;
  asio::co_spawn(loop, serve(*sink), [&](std::exception_ptr) { ended = true; });
  std::jthread service([&] { loop.run(); });
  std::array<int, 3> confirmed{};
  {
    std::vector<std::jthread> callers;
    for (auto& count : confirmed)
      callers.emplace_back([&] {
        asio::io_context own(1);
        test::run_to_end(own, publish_many(*sink, 200, count));
      });
  }
  asio::post(loop, [&] { sink->request_stop(); });
  service.join();
  EXPECT_TRUE(ended);
  EXPECT_EQ(confirmed, (std::array<int, 3>{200, 200, 200}));
}

TEST_F(SinkTest, RefusesMoreThanItMayHold) {
  broker.create_topic("t", 1);
  broker.set_delay(200ms);
  auto sink = open({.outstanding_max = 2});
  struct Many {
    asio::awaitable<void> run(KafkaSink& sink, int& refused) {
      const auto executor = co_await asio::this_coro::executor;
      runtime::TaskGroup tasks(executor), callers(executor);
      tasks.spawn(sink.run());
      for (int i = 0; i < 5; ++i) callers.spawn(one(sink, refused));
      co_await callers.join();
      sink.request_stop();
      co_await tasks.join();
    }
    asio::awaitable<void> one(KafkaSink& sink, int& refused) {
      try {
        runtime::RequestContext context{.id = "t"};
        auto out = record("v");
        co_await sink.publish(std::move(context), std::move(out));
      } catch (const Outage& outage) {
        EXPECT_EQ(outage.error().code, Errc::overloaded);
        ++refused;
      }
    }
  } many;
  int refused = 0;
  test::run_to_end(loop, many.run(*sink, refused));
  EXPECT_EQ(refused, 3);
}

TEST_F(SinkTest, ConfirmsWhatIsOutstandingBeforeItCloses) {
  broker.create_topic("t", 1);
  broker.set_delay(100ms);
  auto sink = open({});
  struct Race {
    asio::awaitable<void> run(KafkaSink& sink, int& confirmed) {
      const auto executor = co_await asio::this_coro::executor;
      runtime::TaskGroup tasks(executor), callers(executor);
      tasks.spawn(sink.run());
      callers.spawn(publish_many(sink, 1, confirmed));
      co_await runtime::pause_for(20ms);
      sink.request_stop();
      co_await tasks.join();
      co_await callers.join();
    }
  } race;
  int confirmed = 0;
  test::run_to_end(loop, race.run(*sink, confirmed));
  EXPECT_EQ(confirmed, 1);
}

}  // namespace
}  // namespace memseal::kafka

#include "adapters/kafka/source.hpp"

#include "faulty_broker.hpp"
#include "rig.hpp"

#include <sys/resource.h>

#include <map>
#include <optional>
#include <thread>

namespace memseal::kafka {
namespace {

using namespace std::chrono_literals;

struct SourceTest : testing::Test {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;

  std::unique_ptr<KafkaSource> open(SourceOptions options) {
    auto source = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
    return std::move(source.value());
  }
  std::unique_ptr<KafkaSource> open(const std::string& topic) {
    return open(source_options(broker.bootstrap(), topic));
  }
  double metric(const std::string& line) const {
    const auto text = metrics.render();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }
};

TEST_F(SourceTest, ConsumesTenThousandRecordsOnceAndInOrder) {
  constexpr int count = 10'000;
  broker.create_topic("t", 4);
  produce(broker.bootstrap(), "t", count);
  auto source = open("t");
  std::set<std::string> seen;
  std::map<std::int32_t, std::int64_t> last;
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record& record) {
    EXPECT_TRUE(seen.insert(record.value).second) << "twice: " << record.value;
    const auto [at, fresh] = last.try_emplace(record.partition, -1);
    EXPECT_EQ(record.offset, at->second + 1) << "in partition " << record.partition;
    at->second = record.offset;
    EXPECT_EQ("r" + record.headers.at(0).second, record.value);
    EXPECT_GT(record.timestamp_ms, 0);
    EXPECT_EQ(record.topic, "t");
    return seen.size() < count;
  }));
  EXPECT_EQ(seen.size(), count);
  EXPECT_EQ(metric(R"(memseal_kafka_records_total{topic="t"})"), count);
  EXPECT_GE(metric(R"(memseal_kafka_commits_total{outcome="ok"})"), 1);
}

TEST_F(SourceTest, ResumesAfterARestartWhereItStopped) {
  broker.create_topic("t", 2);
  produce(broker.bootstrap(), "t", 1'000);
  std::set<std::string> first, second;
  {
    auto source = open("t");
    test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record& record) {
      first.insert(record.value);
      return first.size() < 300;
    }));
  }
  auto source = open("t");
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record& record) {
    EXPECT_FALSE(first.contains(record.value)) << "repeated: " << record.value;
    second.insert(record.value);
    return first.size() + second.size() < 1'000;
  }));
  EXPECT_EQ(first.size() + second.size(), 1'000u);
}

asio::awaitable<void> take_and_drop(KafkaSource& source, std::set<std::string>& seen) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  const auto batch = co_await source.next();
  for (const auto& record : batch.records) seen.insert(record.value);
  tasks.cancel();  // A crash, as seen from outside: done() is never called.
  co_await tasks.join();
}

TEST_F(SourceTest, RepeatsABatchThatWasNeverDone) {
  broker.create_topic("t", 1);
  produce(broker.bootstrap(), "t", 100);
  std::set<std::string> dropped, seen;
  {
    auto source = open("t");
    test::run_to_end(loop, take_and_drop(*source, dropped));
    ASSERT_FALSE(dropped.empty());
  }
  auto source = open("t");
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record& record) {
    seen.insert(record.value);
    return seen.size() < 100;
  }));
  EXPECT_EQ(seen.size(), 100u);
}

struct Shared {
  std::map<std::string, int> seen;
  int of_second = 0;
  std::size_t published = 400;
  bool all_published = false;
};

// Until the second member has had its share, however long the group takes to let it in.
asio::awaitable<void> trickle(KafkaSink& sink, Shared& shared) {
  runtime::TaskGroup service(co_await asio::this_coro::executor);
  service.spawn(sink.run());
  for (std::size_t i = shared.published; shared.of_second < 50 && i < 5'000; ++i) {
    ports::OutRecord record{.channel = ports::Channel::upload,
                            .key = "user-" + std::to_string(i % 64),
                            .value = "r" + std::to_string(i),
                            .headers = {}};
    runtime::RequestContext context{.id = "t"};
    co_await sink.publish(std::move(context), std::move(record));
    ++shared.published;
    co_await runtime::pause_for(5ms);
  }
  shared.all_published = true;
  sink.request_stop();
  co_await service.join();
}

asio::awaitable<void> two_members(KafkaSource& one, KafkaSource& two, KafkaSink& sink,
                                  Shared& shared) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(one.run());
  tasks.spawn(consume(one, [&](const ports::Record& record) {
    ++shared.seen[record.value];
    return true;
  }));
  while (shared.seen.size() < 100) co_await runtime::pause_for(5ms);
  tasks.spawn(two.run());
  tasks.spawn(consume(two, [&](const ports::Record& record) {
    ++shared.of_second;
    ++shared.seen[record.value];
    return true;
  }));
  tasks.spawn(trickle(sink, shared));
  while (!shared.all_published || shared.seen.size() < shared.published)
    co_await runtime::pause_for(5ms);
  one.request_stop();
  two.request_stop();
  co_await tasks.join();
}

TEST_F(SourceTest, SharesPartitionsWithASecondMemberAndLosesNothing) {
  broker.create_topic("t", 8);
  produce(broker.bootstrap(), "t", 400, 64);
  auto one = open("t"), two = open("t");
  auto sink = KafkaSink::open(loop.get_executor(), sink_options(broker.bootstrap(), "t"),
                              metrics);
  Shared shared;
  test::run_to_end(loop, two_members(*one, *two, *sink.value(), shared));
  EXPECT_EQ(shared.seen.size(), shared.published);
  EXPECT_GE(shared.of_second, 50);
  // Whether anything comes twice is for a real broker to say (integration tests): the embedded
  // one goes on without a member that is not back within a second, and refuses its commits.
}

asio::awaitable<void> slow_consumer(KafkaSource& source, int count, std::size_t& held_max,
                                    runtime::Gauge& held, bool& was_paused,
                                    runtime::Gauge& paused) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  int seen = 0;
  while (seen < count) {
    const auto batch = co_await source.next();
    co_await runtime::pause_for(15ms);
    held_max = std::max(held_max, static_cast<std::size_t>(held.Value()));
    was_paused = was_paused || paused.Value() > 0;
    seen += static_cast<int>(batch.records.size());
    source.done(batch);
  }
  EXPECT_EQ(seen, count);
  source.request_stop();
  co_await tasks.join();
}

TEST_F(SourceTest, PausesUnderASlowConsumerAndStaysWithinItsWindow) {
  constexpr int count = 5'000;
  broker.create_topic("t", 4);
  produce(broker.bootstrap(), "t", count, 16, 500);
  auto options = source_options(broker.bootstrap(), "t");
  options.records_max = 400;
  options.bytes_max = 100'000;   // about 150 records
  auto source = open(std::move(options));
  std::size_t held_max = 0;
  bool was_paused = false;
  test::run_to_end(loop, slow_consumer(*source, count, held_max,
                                       metrics.gauge("memseal_kafka_held_bytes", ""), was_paused,
                                       metrics.gauge("memseal_kafka_paused", "")));
  EXPECT_TRUE(was_paused);
  EXPECT_LE(held_max, 100'000u + 400 * 700);
}

TEST_F(SourceTest, CommitsAgainWhenTheBrokerRefusesACommit) {
  broker.create_topic("t", 1);
  produce(broker.bootstrap(), "t", 50);
  broker.fail_next(Api::offset_commit, {27 /* rebalance in progress */, 16 /* not coordinator */});
  int seen = 0;
  {
    auto source = open("t");
    test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record&) {
      return ++seen < 50;
    }));
  }
  produce(broker.bootstrap(), "t", 1);
  auto source = open("t");
  int again = 0;
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record& record) {
    EXPECT_EQ(record.offset, 50);
    ++again;
    return false;
  }));
  EXPECT_EQ(again, 1);
}

TEST_F(SourceTest, SurvivesFetchErrorsAndABrokerThatGoesAway) {
  broker.create_topic("t", 2);
  produce(broker.bootstrap(), "t", 500);
  broker.fail_next(Api::fetch, {6 /* not leader */, -195 /* transport */, 7 /* timed out */});
  auto source = open("t");
  int seen = 0;
  bool cut = false;
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record&) {
    if (++seen == 100 && !std::exchange(cut, true)) {
      broker.set_up(false);
      broker.set_up(true);
    }
    return seen < 500;
  }));
  EXPECT_EQ(seen, 500);
}

asio::awaitable<void> wait_until_connected(KafkaSource& source, FaultyBroker& broker,
                                           std::vector<bool>& states) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  for (const bool up : {true, false, true}) {
    broker.set_up(up);
    for (int i = 0; i < 2'000 && source.connected() != up; ++i)
      co_await runtime::pause_for(10ms);
    states.push_back(source.connected());
  }
  source.request_stop();
  co_await tasks.join();
}

TEST_F(SourceTest, KnowsWhetherABrokerIsConnected) {
  broker.create_topic("t", 1);
  auto options = source_options(broker.bootstrap(), "t");
  options.client.properties["reconnect.backoff.max.ms"] = "200";
  auto source = open(std::move(options));
  std::vector<bool> states;
  test::run_to_end(loop, wait_until_connected(*source, broker, states));
  EXPECT_EQ(states, (std::vector<bool>{true, false, true}));
}

asio::awaitable<void> idle(KafkaSource& source, std::chrono::milliseconds time,
                           std::chrono::microseconds& cpu) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  co_await runtime::pause_for(1s);
  const auto used = [] {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  const auto before = used();
  co_await runtime::pause_for(time);
  cpu = used() - before;
  source.request_stop();
  co_await tasks.join();
}

TEST_F(SourceTest, RestsWhenThereIsNothingToDo) {
  broker.create_topic("t", 4);
  auto source = open("t");
  std::chrono::microseconds cpu{};
  test::run_to_end(loop, idle(*source, 2'000ms, cpu));
  EXPECT_LT(cpu, 20ms) << "1 % of two seconds";
}

TEST_F(SourceTest, PicksUpATopicThatIsMadeLater) {
  auto source = open("later");
  int seen = 0;
  std::jthread maker([&] {
    std::this_thread::sleep_for(700ms);
    broker.create_topic("later", 2);
    produce(broker.bootstrap(), "later", 10);
  });
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record&) {
    return ++seen < 10;
  }));
  EXPECT_EQ(seen, 10);
}

TEST_F(SourceTest, StopsAtOnceWhileNoBrokerIsThere) {
  auto options = source_options("127.0.0.1:1", "t");
  auto source = open(std::move(options));
  const auto start = std::chrono::steady_clock::now();
  struct Stop {
    asio::awaitable<void> run(KafkaSource& source) {
      runtime::TaskGroup tasks(co_await asio::this_coro::executor);
      tasks.spawn(source.run());
      co_await runtime::pause_for(300ms);
      source.request_stop();
      const auto batch = co_await source.next();
      EXPECT_TRUE(batch.records.empty());
      co_await tasks.join();
    }
  } stop;
  test::run_to_end(loop, stop.run(*source));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

// Consumes until the source ends by itself.
asio::awaitable<void> run_to_failure(KafkaSource& source, std::optional<Error>& error) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  tasks.spawn(consume(source, [](const ports::Record&) { return true; }));
  try {
    co_await tasks.join();
  } catch (const Refused& refused) {
    error = refused.error();
  }
  const auto batch = co_await source.next();
  EXPECT_TRUE(batch.records.empty());
}

/// Name of the test, the request that fails, Kafka's error code, the field of our error.
struct LastingFailure {
  const char* name;
  std::int16_t api;
  int code;
  const char* field;
};

struct SourceFailureTest : SourceTest, testing::WithParamInterface<LastingFailure> {};

TEST_P(SourceFailureTest, EndsTheSourceWithASentence) {
  const auto& failure = GetParam();
  broker.create_topic("t", 1);
  produce(broker.bootstrap(), "t", 1);
  auto options = source_options(broker.bootstrap(), "t");
  options.instance_id = "one";
  broker.fail_next(failure.api, {failure.code});
  auto source = open(std::move(options));
  std::optional<Error> error;
  const auto start = std::chrono::steady_clock::now();
  test::run_to_end(loop, run_to_failure(*source, error));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 15s);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::bad_config);
  EXPECT_EQ(error->field, failure.field) << error->message;
  EXPECT_EQ(metric("memseal_kafka_fenced"), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Lasting, SourceFailureTest,
    testing::Values(
        LastingFailure{"FencedByATwin", Api::heartbeat, 82, "kafka.instance_id"},
        LastingFailure{"DeniedTheGroup", Api::join_group, 30, "kafka"},
        LastingFailure{"DeniedTheTopic", Api::fetch, 29, "kafka"},
        LastingFailure{"DeniedTheCommit", Api::offset_commit, 30, "kafka"}),
    [](const auto& info) { return info.param.name; });

TEST(SourceOptions, AreRefusedWithTheNameOfTheProperty) {
  asio::io_context loop(1);
  runtime::Metrics metrics;
  const auto refusal = [&](std::string name, std::string value) {
    SourceOptions options{.client = {.brokers = "127.0.0.1:1"}, .group = "g", .topics = {"t"}};
    options.client.properties[name] = value;
    const auto source = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
    return source ? Error{Errc::internal, "accepted"} : source.error();
  };
  EXPECT_EQ(refusal("enable.auto.commit", "true").code, Errc::bad_config);
  EXPECT_EQ(refusal("no.such.property", "1").field, "kafka.properties.no.such.property");
  const auto secret = refusal("sasl.mechanism.typo", "hunter2");
  EXPECT_EQ(secret.message.find("hunter2"), std::string::npos);
  SourceOptions nowhere{.client = {}, .group = "g", .topics = {"t"}};
  EXPECT_FALSE(KafkaSource::open(loop.get_executor(), std::move(nowhere), metrics));
}

}  // namespace
}  // namespace memseal::kafka

// Against a real Kafka broker: MEMSEAL_TEST_KAFKA=host:port.
#include "adapters/kafka/admin.hpp"
#include "adapters/kafka/internal/handles.hpp"
#include "adapters/kafka/sink.hpp"
#include "adapters/kafka/source.hpp"
#include "adapters/kafka/topic_records.hpp"
#include "pure/crypto/random.hpp"
#include "runtime/task_group.hpp"
#include "support/run_loop.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

namespace memseal::kafka {
namespace {

using namespace std::chrono_literals;
using Counts = std::map<std::string, int>;

struct KafkaBrokerTest : testing::Test {
  void SetUp() override {
    const char* where = std::getenv("MEMSEAL_TEST_KAFKA");
    if (!where || !*where)
      GTEST_SKIP() << "no Kafka broker: set MEMSEAL_TEST_KAFKA=host:port (scripts/stack up)";
    brokers = where;
    const auto made = ensure_topics({.brokers = brokers}, topics());
    ASSERT_TRUE(made) << made.error().message;
  }
  std::vector<TopicSpec> topics() const {
    std::vector<TopicSpec> specs;
    specs.push_back({.name = topic, .partitions = 8, .retention = std::chrono::hours(72)});
    specs.push_back({.name = topic + "-plain"});
    return specs;
  }
  std::unique_ptr<KafkaSource> open(int fetch_wait_ms = 20) {
    SourceOptions options{.client = {.brokers = brokers}, .group = topic, .topics = {}};
    options.topics.push_back(topic);
    options.client.properties["fetch.wait.max.ms"] = std::to_string(fetch_wait_ms);
    options.client.properties["heartbeat.interval.ms"] = "500";
    auto source = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
    return std::move(source.value());
  }
  std::unique_ptr<KafkaSink> open_sink() {
    SinkOptions options;
    options.topics.upload = topic;
    options.client.brokers = brokers;
    auto sink = KafkaSink::open(loop.get_executor(), std::move(options), metrics);
    return std::move(sink.value());
  }

  std::string brokers;
  std::string topic = "memseal-test-" + crypto::random_uuid().to_string();
  asio::io_context loop{1};
  runtime::Metrics metrics;
};

asio::awaitable<void> publish_lane(KafkaSink& sink, int first, int last, int step,
                                   std::chrono::milliseconds gap) {
  for (int i = first; i < last; i += step) {
    ports::OutRecord record{.channel = ports::Channel::upload,
                            .key = "user-" + std::to_string(i % 97),
                            .value = "r" + std::to_string(i),
                            .headers = {}};
    runtime::RequestContext context{.id = "test"};
    co_await sink.publish(std::move(context), std::move(record));
    if (gap > 0ms) co_await runtime::pause_for(gap);
  }
}

asio::awaitable<void> publish(KafkaSink& sink, int first, int last, int lanes,
                              std::chrono::milliseconds gap) {
  const auto executor = co_await asio::this_coro::executor;
  runtime::TaskGroup service(executor), publishers(executor);
  service.spawn(sink.run());
  for (int lane = 0; lane < lanes; ++lane)
    publishers.spawn(publish_lane(sink, first + lane, last, lanes, gap));
  co_await publishers.join();
  sink.request_stop();
  co_await service.join();
}

asio::awaitable<void> consume(KafkaSource& source, Counts& seen, std::size_t until,
                              Counts* own = nullptr) {
  while (seen.size() < until) {
    const auto batch = co_await source.next();
    if (batch.records.empty()) co_return;
    for (const auto& record : batch.records) {
      ++seen[record.value];
      if (own) ++(*own)[record.value];
    }
    source.done(batch);
  }
}

asio::awaitable<void> consume_and_stop(KafkaSource& source, Counts& seen, std::size_t until) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  co_await consume(source, seen, until);
  source.request_stop();
  co_await tasks.join();
}

struct Transactions {
  explicit Transactions(const std::string& brokers) {
    char why[256] = "";
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), why, sizeof why);
    const auto id = crypto::random_uuid().to_string();
    rd_kafka_conf_set(conf, "transactional.id", id.c_str(), why, sizeof why);
    client.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why));
    require(rd_kafka_init_transactions(client.get(), 30'000));
  }
  static void require(rd_kafka_error_t* error) {
    if (error) throw std::runtime_error(rd_kafka_error_string(error));
  }
  void produce(const std::string& topic, const std::string& value, bool commits) {
    require(rd_kafka_begin_transaction(client.get()));
    rd_kafka_producev(client.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                      RD_KAFKA_V_END);
    rd_kafka_flush(client.get(), 30'000);  // An abort drops what was not sent yet.
    require(commits ? rd_kafka_commit_transaction(client.get(), 30'000)
                    : rd_kafka_abort_transaction(client.get(), 30'000));
  }
  std::unique_ptr<rd_kafka_t, FreeWith<rd_kafka_destroy>> client;
};

asio::awaitable<void> consume_until_nothing_is_behind(KafkaSource& source, Counts& seen,
                                                      std::int64_t& most) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  co_await consume(source, seen, 3);
  for (int i = 0; i < 3'000 && (most == 0 || source.lag() > 0); ++i) {
    most = std::max(most, source.lag());
    co_await runtime::pause_for(10ms);
  }
  EXPECT_EQ(source.lag(), 0);
  source.request_stop();
  co_await tasks.join();
}

// Each transaction ends with a marker, which has an offset and is no record.
TEST_F(KafkaBrokerTest, WhatATransactionLeavesBehindItsRecordsIsNoLag) {
  Transactions producer(brokers);
  for (int i = 0; i < 4; ++i) producer.produce(topic, "t" + std::to_string(i), i < 3);
  Counts seen;
  std::int64_t most = 0;
  auto source = open();
  test::run_to_end(loop, consume_until_nothing_is_behind(*source, seen, most));
  EXPECT_EQ(seen, (Counts{{"t0", 1}, {"t1", 1}, {"t2", 1}}));
  EXPECT_GE(most, 3) << "the aborted record and two markers, until the client says so";
}

TEST_F(KafkaBrokerTest, CarriesRecordsAndResumesWhereItStopped) {
  auto sink = open_sink();
  test::run_to_end(loop, publish(*sink, 0, 5'000, 200, 0ms));
  Counts first, second;
  {
    auto source = open();
    test::run_to_end(loop, consume_and_stop(*source, first, 2'000));
  }
  auto source = open();
  test::run_to_end(loop, consume_and_stop(*source, second, 5'000 - first.size()));
  for (const auto& [value, times] : second) EXPECT_FALSE(first.contains(value)) << value;
  EXPECT_EQ(first.size() + second.size(), 5'000u);
}

asio::awaitable<void> two_members(KafkaSource& one, KafkaSource& two, KafkaSink& sink,
                                  Counts& seen, Counts& of_second) {
  constexpr int count = 3'000;
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(one.run());
  tasks.spawn(consume(one, seen, count));
  tasks.spawn(publish(sink, 0, count, 1, 3ms));
  while (seen.size() < 300) co_await runtime::pause_for(10ms);
  tasks.spawn(two.run());
  tasks.spawn(consume(two, seen, count, &of_second));
  while (seen.size() < count) co_await runtime::pause_for(10ms);
  one.request_stop();
  two.request_stop();
  co_await tasks.join();
}

TEST_F(KafkaBrokerTest, MovesPartitionsToASecondMemberWithoutRepeatingOrLosingARecord) {
  auto one = open(), two = open();
  auto sink = open_sink();
  Counts seen, of_second;
  test::run_to_end(loop, two_members(*one, *two, *sink, seen, of_second));
  EXPECT_EQ(seen.size(), 3'000u);
  EXPECT_FALSE(of_second.empty());
  int repeated = 0;
  for (const auto& [value, times] : seen) repeated += times - 1;
  EXPECT_EQ(repeated, 0) << "what moved had been committed first";
}

asio::awaitable<void> publish_dated(KafkaSink& sink) {
  runtime::TaskGroup service(co_await asio::this_coro::executor);
  service.spawn(sink.run());
  ports::OutRecord record{.channel = ports::Channel::upload,
                          .key = "dated",
                          .value = "of old",
                          .headers = {{"name", "value"}},
                          .timestamp_ms = 1'600'000'000'000};
  runtime::RequestContext context{.id = "test"};
  co_await sink.publish(std::move(context), std::move(record));
  sink.request_stop();
  co_await service.join();
}

TEST_F(KafkaBrokerTest, ReadsWhatATopicHoldsAndDeletesWhatIsAsked) {
  const ClientOptions client{.brokers = brokers};
  auto sink = open_sink();
  test::run_to_end(loop, publish(*sink, 0, 500, 20, 0ms));
  sink = open_sink();
  loop.restart();
  test::run_to_end(loop, publish_dated(*sink));
  Counts seen;
  std::map<std::int32_t, std::vector<std::int64_t>> offsets;
  ports::Record dated;
  const auto look = [&](ports::Record record) {
    ++seen[record.value];
    offsets[record.partition].push_back(record.offset);
    if (record.key == "dated") dated = std::move(record);
    return true;
  };
  const auto read = [&](const PartitionOffsets& from) {
    seen.clear();
    offsets.clear();
    const auto done = read_topic(client, topic, from, look);
    EXPECT_TRUE(done) << done.error().message;
    return seen.size();
  };
  EXPECT_EQ(read({}), 501u);
  for (const auto& [value, times] : seen) EXPECT_EQ(times, 1) << value;
  for (const auto& [partition, of_one] : offsets)
    EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end())) << partition;
  EXPECT_EQ(dated.timestamp_ms, 1'600'000'000'000);
  EXPECT_EQ(dated.headers.at(0).second, "value");

  const auto whole = offsets;
  const auto [partition, of_one] = *whole.begin();
  const auto middle = of_one.at(of_one.size() / 2);
  EXPECT_EQ(read({{partition, middle}}), of_one.size() - of_one.size() / 2);
  int visits = 0;
  EXPECT_TRUE(read_topic(client, topic, {}, [&](const ports::Record&) { return ++visits < 3; }));
  EXPECT_EQ(visits, 3);

  const auto deleted = delete_records(client, topic, {{partition, middle}});
  ASSERT_TRUE(deleted) << deleted.error().message;
  EXPECT_EQ(read({}), 501u - of_one.size() / 2);
  EXPECT_EQ(offsets.at(partition).front(), middle);
  EXPECT_TRUE(read_topic(client, topic + "-missing", {}, look)) << "no topic, no records";
}

TEST_F(KafkaBrokerTest, SeesTheBrokerAndMakesTopicsOnce) {
  const auto again = ensure_topics({.brokers = brokers}, topics());
  EXPECT_TRUE(again) << again.error().message;
  std::vector<std::string> names;
  names.push_back(topic);
  names.push_back(topic + "-missing");
  names.push_back(topic + "-plain");
  const auto view = probe_cluster({.brokers = brokers}, names);
  ASSERT_TRUE(view) << view.error().message;
  ASSERT_FALSE(view->brokers.empty());
  EXPECT_TRUE(view->brokers[0].reachable) << view->brokers[0].why;
  EXPECT_EQ(view->topics.at(0).partitions, 8);
  EXPECT_EQ(view->topics.at(1).partitions, 0);
  EXPECT_EQ(view->topics.at(0).replicas, 1);
  EXPECT_EQ(view->topics.at(0).retention_ms, 72 * 3'600'000);
  EXPECT_EQ(view->topics.at(0).replicas_in_sync_min, 1);
  EXPECT_FALSE(view->topics.at(0).is_compacted);
  EXPECT_GT(view->topics.at(2).partitions, 0) << "as many as the broker likes";
  EXPECT_NE(view->topics.at(2).retention_ms, 72 * 3'600'000);
}

}  // namespace
}  // namespace memseal::kafka

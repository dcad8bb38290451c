// A partition with much to do does not keep the others from being read.
#include "adapters/kafka/source.hpp"

#include "faulty_broker.hpp"
#include "rig.hpp"
#include "runtime/condition.hpp"

#include <thread>

namespace memseal::kafka {
namespace {

// Takes everything of topic "big" and finishes none of it until the line of topic "small" came.
asio::awaitable<void> hold_big_until_small(KafkaSource& source, FaultyBroker& broker,
                                           std::size_t& big, bool& small) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  std::vector<ports::Batch> held;
  bool published = false;
  while (!small) {
    auto batch = co_await source.next();
    for (const auto& record : batch.records) record.topic == "big" ? ++big : small = true;
    if (!published && big >= 2) {
      published = true;
      std::jthread([&] { produce(broker.bootstrap(), "small", 1); }).join();
    }
    held.push_back(std::move(batch));
  }
  source.request_stop();
  for (const auto& batch : held) source.done(batch);
  co_await tasks.join();
}

TEST(SourceWindow, ReadsAPartitionWhileAnotherHasFilledItsPartOfTheWindow) {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;
  broker.create_topic("big", 1);
  broker.create_topic("small", 1);
  produce(broker.bootstrap(), "big", 60, 16, 50'000);
  auto options = source_options(broker.bootstrap(), "big");
  options.topics.push_back("small");
  options.bytes_max = 400'000;
  auto opened = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
  auto source = std::move(opened.value());
  std::size_t big = 0;
  bool small = false;
  test::run_to_end(loop, hold_big_until_small(*source, broker, big, small));
  EXPECT_TRUE(small);
  EXPECT_LT(big, 60u) << "the window held";
}

// The source's turns over the partitions end although most of them are empty.
TEST(SourceWindow, ReadsTheOneOfManyPartitionsThatIsNotEmpty) {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;
  broker.create_topic("wide", 200);
  produce(broker.bootstrap(), "wide", 40, 1);
  auto opened = KafkaSource::open(loop.get_executor(),
                                  source_options(broker.bootstrap(), "wide"), metrics);
  auto source = std::move(opened.value());
  std::set<std::string> seen;
  std::int32_t last = 0;
  test::run_to_end(loop, consume_and_stop(*source, [&](const ports::Record& record) {
    seen.insert(record.value);
    last = std::max(last, record.partition);
    return seen.size() < 40;
  }));
  EXPECT_EQ(seen.size(), 40u);
  EXPECT_EQ(last, 170) << "where the only key belongs";
}

// A record that waits long holds the offset of its partition, and nothing else of it.
asio::awaitable<void> finish_all_but_the_first(KafkaSource& source, std::size_t& taken) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  ports::Batch first;
  while (taken < 300) {
    auto batch = co_await source.next();
    taken += batch.records.size();
    if (first.records.empty()) {
      first.generation = batch.generation;
      first.records.push_back(batch.records.front());
      batch.records.erase(batch.records.begin());
    }
    source.done(batch);
  }
  source.request_stop();
  source.done(first);
  co_await tasks.join();
}

TEST(SourceWindow, ReadsOnBehindARecordThatWaitsLong) {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;
  broker.create_topic("t", 1);
  produce(broker.bootstrap(), "t", 300, 16);
  auto options = source_options(broker.bootstrap(), "t");
  options.records_max = 20;
  auto opened = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
  auto source = std::move(opened.value());
  std::size_t taken = 0;
  test::run_to_end(loop, finish_all_but_the_first(*source, taken));
  EXPECT_EQ(taken, 300u);
}

/// Takes a batch, holds the source for longer than its session, and then takes the rest.
asio::awaitable<void> hold_after_a_batch(KafkaSource& source, std::set<std::string>& seen,
                                         std::size_t count, std::function<void()> while_held) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  tasks.spawn(source.run());
  const auto first = co_await source.next();
  for (const auto& record : first.records) seen.insert(record.value);
  source.set_held(true);
  source.done(first);
  tasks.spawn(consume(source, [&seen, count](const ports::Record& record) {
    EXPECT_TRUE(seen.insert(record.value).second) << "twice: " << record.value;
    return seen.size() < count;
  }));
  co_await runtime::pause_for(std::chrono::milliseconds(1'800));
  EXPECT_EQ(seen.size(), first.records.size()) << "nothing is taken while it is held";
  while_held();
  source.set_held(false);
  while (seen.size() < count) co_await runtime::pause_for(std::chrono::milliseconds(20));
  source.request_stop();
  co_await tasks.join();
}

TEST(SourceWindow, HeldItKeepsItsPartitionsAndGoesOnWhereItWas) {
  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;
  broker.create_topic("t", 2);
  produce(broker.bootstrap(), "t", 2'000, 16);
  auto options = source_options(broker.bootstrap(), "t");  // with a session of 1.5 s
  options.records_max = 200;
  auto opened = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
  auto source = std::move(opened.value());
  std::set<std::string> seen;
  const auto has_line = [&](const std::string& line) {
    return metrics.render().find("\n" + line + "\n") != std::string::npos;
  };
  test::run_to_end(loop, hold_after_a_batch(*source, seen, 2'000, [&] {
    EXPECT_TRUE(has_line("memseal_kafka_partitions 2"));
  }));
  EXPECT_EQ(seen.size(), 2'000u);
}

}  // namespace
}  // namespace memseal::kafka

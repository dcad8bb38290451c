// The lag is counted from what is committed, whatever the consumer has read.
#include "adapters/kafka/internal/broker_clock.hpp"

#include "faulty_broker.hpp"
#include "rig.hpp"

namespace memseal::kafka {
namespace {

using namespace std::chrono_literals;

double value_of(const runtime::Metrics& metrics, const std::string& line) {
  const auto text = metrics.render();
  const auto at = text.find("\n" + line + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
}

template <class Condition>
asio::awaitable<void> wait_until(Condition condition) {
  for (int i = 0; i < 1'500 && !condition(); ++i) co_await runtime::pause_for(10ms);
  EXPECT_TRUE(condition());
}

struct Lag : testing::Test {
  double lag(const char* unit) const {
    return value_of(metrics, "memseal_kafka_consumer_lag_" + std::string(unit) +
                                 R"({partition="0",topic="t"})");
  }
  // Takes one batch of `first` records and keeps it, while the topic grows to `all`. The source
  // holds at most ten.
  asio::awaitable<void> grow_behind_a_worker(KafkaSource& source, int first, int all) {
    runtime::TaskGroup tasks(co_await asio::this_coro::executor);
    tasks.spawn(source.run());
    const auto batch = co_await source.next();
    co_await wait_until([&] { return lag("records") == first; });
    const auto age = lag("seconds");
    produce(broker.bootstrap(), "t", all - first, 1, 10'000);
    co_await wait_until([&] { return lag("records") == all; });
    EXPECT_GT(lag("seconds"), age);
    EXPECT_EQ(source.lag(), all);
    source.done(batch);
    const auto left = all - static_cast<int>(batch.records.size());
    co_await wait_until([&] { return lag("records") == left; });
    source.request_stop();
    co_await tasks.join();
  }

  FaultyBroker broker;
  asio::io_context loop{1};
  runtime::Metrics metrics;
};

TEST_F(Lag, GrowsWhileTheWorkerIsBlockedAndReadingRests) {
  broker.create_topic("t", 1);
  produce(broker.bootstrap(), "t", 20, 1);
  auto options = source_options(broker.bootstrap(), "t");
  options.records_max = 10;
  options.client.properties["queued.min.messages"] = "10";
  options.client.properties["queued.max.messages.kbytes"] = "1";
  auto source = KafkaSource::open(loop.get_executor(), std::move(options), metrics);
  test::run_to_end(loop, grow_behind_a_worker(*source.value(), 20, 400));
  EXPECT_EQ(lag("records"), 0) << "its next owner reports it";
}

// A member that comes back knows what was committed before it.
TEST_F(Lag, CountsFromTheOffsetThatAnEarlierMemberCommitted) {
  broker.create_topic("t", 1);
  produce(broker.bootstrap(), "t", 30, 1);
  auto options = source_options(broker.bootstrap(), "t");
  auto first = KafkaSource::open(loop.get_executor(), options, metrics);
  test::run_to_end(loop, consume_and_stop(*first.value(), [](const ports::Record& record) {
    return record.offset < 29;
  }));
  produce(broker.bootstrap(), "t", 5, 1);
  runtime::Metrics own;
  auto second = KafkaSource::open(loop.get_executor(), options, own);
  struct {
    asio::awaitable<void> run(KafkaSource& source, runtime::Metrics& metrics) {
      runtime::TaskGroup tasks(co_await asio::this_coro::executor);
      tasks.spawn(source.run());
      co_await wait_until([&] {
        return value_of(metrics, "memseal_kafka_consumer_lag_records{partition=\"0\","
                                 "topic=\"t\"}") == 5;
      });
      source.request_stop();
      co_await tasks.join();
    }
  } look;
  test::run_to_end(loop, look.run(*second.value(), own));
}

TEST(BrokerClock, BelievesTheReportThatTookTheLeastTime) {
  BrokerClock clock;
  EXPECT_EQ(clock.ahead_ms(), 0);
  clock.saw(5'050, 1'000, 900);
  clock.saw(5'100, 1'100, 20);
  EXPECT_EQ(clock.ahead_ms(), 4'010);
  clock.saw(9'000, 1'200, 500);
  EXPECT_EQ(clock.ahead_ms(), 4'010) << "it took longer";
  clock.saw(70'000, 62'000, 100);
  EXPECT_EQ(clock.ahead_ms(), 8'050) << "what was seen a minute ago is old";
}

}  // namespace
}  // namespace memseal::kafka

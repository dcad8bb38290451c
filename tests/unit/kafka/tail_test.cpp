#include "adapters/kafka/tail.hpp"

#include "rig.hpp"

namespace memseal::kafka {
namespace {

using namespace std::chrono_literals;

struct TailTest : testing::Test {
  EmbeddedBroker broker;
  const ClientOptions client{.brokers = broker.bootstrap()};
};

TEST_F(TailTest, ReadsWhatComesAfterItWasOpenedFromAllPartitions) {
  broker.create_topic("t", 4);
  produce(broker.bootstrap(), "t", 20);
  const auto tail = Tail::open(client, "t", 5s);
  ASSERT_TRUE(tail) << tail.error().message;
  EXPECT_FALSE((*tail)->next(100ms)) << "what was there before is not read";
  produce(broker.bootstrap(), "t", 12, 12);
  std::set<std::string> seen;
  while (seen.size() < 12) {
    const auto record = (*tail)->next(5s);
    ASSERT_TRUE(record);
    seen.insert(*record);
  }
  EXPECT_FALSE((*tail)->next(50ms));
}

TEST_F(TailTest, SaysThatThereIsNoSuchTopic) {
  const auto tail = Tail::open(client, "nowhere", 5s);
  ASSERT_FALSE(tail);
  EXPECT_EQ(tail.error().code, Errc::not_found);
  EXPECT_EQ(tail.error().message, "there is no topic nowhere");
}

TEST(Tail, SaysInTimeThatThereIsNoBroker) {
  const auto began = std::chrono::steady_clock::now();
  const auto tail = Tail::open({.brokers = "127.0.0.1:1"}, "t", 300ms);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  ASSERT_FALSE(tail);
  EXPECT_EQ(tail.error().code, Errc::unavailable);
  EXPECT_EQ(tail.error().message,
            "no broker at 127.0.0.1:1; check kafka.brokers, and that the broker runs");
}

TEST_F(TailTest, AProducerThatIsConnectedPublishesAtOnce) {
  broker.create_topic("t", 1);
  asio::io_context loop(1);
  runtime::Metrics metrics;
  const auto sink = KafkaSink::open(loop.get_executor(), sink_options(broker.bootstrap(), "t"),
                                    metrics);
  ASSERT_TRUE((*sink)->connect(5s));
  const auto began = std::chrono::steady_clock::now();
  test::run_to_end(loop, fill(**sink, 1));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 900ms) << "less than a scan of all topics";
  const auto nobody = KafkaSink::open(loop.get_executor(), sink_options("127.0.0.1:1", "t"),
                                      metrics);
  const auto reached = (*nobody)->connect(300ms);
  ASSERT_FALSE(reached);
  EXPECT_EQ(reached.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace memseal::kafka

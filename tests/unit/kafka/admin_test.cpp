#include "adapters/kafka/admin.hpp"

#include "adapters/kafka/embedded_broker.hpp"

#include <gtest/gtest.h>

namespace memseal::kafka {
namespace {

using namespace std::chrono_literals;

TEST(Admin, SeesBrokersTopicsAndWhetherTheirAddressAnswers) {
  EmbeddedBroker broker;
  broker.create_topic("there", 3);
  const auto view = probe_cluster({.brokers = broker.bootstrap()}, {"there", "missing"});
  ASSERT_TRUE(view) << view.error().message;
  ASSERT_EQ(view->brokers.size(), 1u);
  EXPECT_TRUE(view->brokers[0].reachable) << view->brokers[0].why;
  EXPECT_EQ(view->topics.at(0).partitions, 3);
  EXPECT_EQ(view->topics.at(1).partitions, 0) << "looking made the topic";
}

TEST(Admin, NamesTheAddressThatDoesNotAnswer) {
  const auto view = probe_cluster({.brokers = "127.0.0.1:1"}, {}, 300ms);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code, Errc::unavailable);
  EXPECT_NE(view.error().message.find("127.0.0.1:1"), std::string::npos);
  EXPECT_EQ(view.error().field, "kafka.brokers");
}

TEST(Admin, LeavesTopicsThatExistAsTheyAre) {
  EmbeddedBroker broker;
  broker.create_topic("there", 3);
  const auto done = ensure_topics({.brokers = broker.bootstrap()}, {{.name = "there"}});
  EXPECT_TRUE(done) << done.error().message;
}

TEST(Admin, ReportsAnAbsentBroker) {
  const auto done = ensure_topics({.brokers = "127.0.0.1:1"}, {{.name = "t"}}, 300ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::unavailable);
}

}  // namespace
}  // namespace memseal::kafka

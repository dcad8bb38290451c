#include "adapters/kafka/embedded_broker.hpp"

#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/embedded_cluster.hpp"
#include "base/result.hpp"

#include <algorithm>

namespace memseal::kafka {

namespace {

void ignore_log(const rd_kafka_t*, int, const char*, const char*) {}

}  // namespace

EmbeddedBroker::EmbeddedBroker(int brokers) : cluster_(std::make_unique<Cluster>()) {
  Conf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), ignore_log);
  rd_kafka_conf_set(conf.get(), "enable.metrics.push", "false", nullptr, 0);
  auto owner = make_client(RD_KAFKA_PRODUCER, std::move(conf));
  cluster_->owner = std::move(owner.value());
  cluster_->mock.reset(rd_kafka_mock_cluster_new(cluster_->owner.get(), brokers));
  if (!cluster_->mock)
    throw Outage({Errc::unavailable, "the embedded Kafka broker cannot open a port"});
  // A real broker waits 3 s for more members before the first rebalance. Here the first member
  // starts at once.
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_->mock.get(), 0);
  cluster_->bootstrap = rd_kafka_mock_cluster_bootstraps(cluster_->mock.get());
  cluster_->brokers = brokers;
}

EmbeddedBroker::~EmbeddedBroker() = default;

EmbeddedBroker::Cluster& EmbeddedBroker::cluster() noexcept { return *cluster_; }

const std::string& EmbeddedBroker::bootstrap() const noexcept { return cluster_->bootstrap; }

void EmbeddedBroker::create_topic(const std::string& name, int partitions) {
  const auto code = rd_kafka_mock_topic_create(cluster_->mock.get(), name.c_str(), partitions,
                                               std::min(cluster_->brokers, 3));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Refused({Errc::internal, "topic " + name + " cannot be created: " + describe(code)});
}

}  // namespace memseal::kafka

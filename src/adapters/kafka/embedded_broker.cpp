#include "adapters/kafka/embedded_broker.hpp"

#include "adapters/kafka/internal/client_conf.hpp"
#include "adapters/kafka/internal/handles.hpp"
#include "base/result.hpp"

#include <librdkafka/rdkafka_mock.h>

#include <algorithm>

namespace memseal::kafka {

namespace {

using MockCluster =
    std::unique_ptr<rd_kafka_mock_cluster_t, FreeWith<rd_kafka_mock_cluster_destroy>>;

void ignore_log(const rd_kafka_t*, int, const char*, const char*) {}

}  // namespace

struct EmbeddedBroker::Cluster {
  Client owner;
  MockCluster mock;
  std::string bootstrap;
  int brokers = 0;
};

EmbeddedBroker::EmbeddedBroker(int brokers) : cluster_(std::make_unique<Cluster>()) {
  Conf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), ignore_log);
  rd_kafka_conf_set(conf.get(), "enable.metrics.push", "false", nullptr, 0);
  auto owner = make_client(RD_KAFKA_PRODUCER, std::move(conf));
  cluster_->owner = std::move(owner.value());
  cluster_->mock.reset(rd_kafka_mock_cluster_new(cluster_->owner.get(), brokers));
  if (!cluster_->mock)
    throw Outage({Errc::unavailable, "the embedded Kafka broker cannot open a port"});
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_->mock.get(), 0);
  cluster_->bootstrap = rd_kafka_mock_cluster_bootstraps(cluster_->mock.get());
  cluster_->brokers = brokers;
}

EmbeddedBroker::~EmbeddedBroker() = default;

const std::string& EmbeddedBroker::bootstrap() const noexcept { return cluster_->bootstrap; }

void EmbeddedBroker::create_topic(const std::string& name, int partitions) {
  const auto code = rd_kafka_mock_topic_create(cluster_->mock.get(), name.c_str(), partitions,
                                               std::min(cluster_->brokers, 3));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Refused({Errc::internal, "topic " + name + " cannot be made: " + describe(code)});
}

void EmbeddedBroker::fail_next(std::int16_t api, const std::vector<int>& errors) {
  std::vector<rd_kafka_resp_err_t> codes;
  for (const int error : errors) codes.push_back(static_cast<rd_kafka_resp_err_t>(error));
  rd_kafka_mock_push_request_errors_array(cluster_->mock.get(), api, codes.size(), codes.data());
}

void EmbeddedBroker::set_up(bool up) {
  for (int id = 1; id <= cluster_->brokers; ++id)
    (up ? rd_kafka_mock_broker_set_up : rd_kafka_mock_broker_set_down)(cluster_->mock.get(), id);
}

void EmbeddedBroker::set_delay(std::chrono::milliseconds delay) {
  for (int id = 1; id <= cluster_->brokers; ++id)
    rd_kafka_mock_broker_set_rtt(cluster_->mock.get(), id, static_cast<int>(delay.count()));
}

}  // namespace memseal::kafka

#pragma once
// The embedded broker with faults on demand.
#include "adapters/kafka/embedded_broker.hpp"
#include "adapters/kafka/internal/embedded_cluster.hpp"

#include <chrono>
#include <vector>

namespace memseal::kafka {

/// Numbers of requests in the Kafka protocol.
struct Api {
  static constexpr std::int16_t produce = 0, fetch = 1, offset_commit = 8, join_group = 11,
                                heartbeat = 12, init_producer_id = 22;
};

class FaultyBroker : public EmbeddedBroker {
 public:
  using EmbeddedBroker::EmbeddedBroker;

  /// The next requests `api` answer with these Kafka error codes, one each. 0 lets one through;
  /// -195 closes the connection.
  void fail_next(std::int16_t api, const std::vector<int>& errors) {
    std::vector<rd_kafka_resp_err_t> codes;
    for (const int error : errors) codes.push_back(static_cast<rd_kafka_resp_err_t>(error));
    rd_kafka_mock_push_request_errors_array(cluster().mock.get(), api, codes.size(), codes.data());
  }

  /// Cuts all connections and refuses new ones, or accepts them again.
  void set_up(bool up) {
    for (int id = 1; id <= cluster().brokers; ++id)
      (up ? rd_kafka_mock_broker_set_up : rd_kafka_mock_broker_set_down)(cluster().mock.get(), id);
  }

  /// Adds a delay to every answer.
  void set_delay(std::chrono::milliseconds delay) {
    for (int id = 1; id <= cluster().brokers; ++id)
      rd_kafka_mock_broker_set_rtt(cluster().mock.get(), id, static_cast<int>(delay.count()));
  }
};

}  // namespace memseal::kafka

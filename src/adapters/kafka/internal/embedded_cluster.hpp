#pragma once
#include "adapters/kafka/embedded_broker.hpp"
#include "adapters/kafka/internal/handles.hpp"

#include <librdkafka/rdkafka_mock.h>

namespace memseal::kafka {

/// librdkafka's mock cluster. `owner` outlives `mock`, because the brokers run on its threads.
struct EmbeddedBroker::Cluster {
  Client owner;
  std::unique_ptr<rd_kafka_mock_cluster_t, FreeWith<rd_kafka_mock_cluster_destroy>> mock;
  std::string bootstrap;
  int brokers = 0;
};

}  // namespace memseal::kafka

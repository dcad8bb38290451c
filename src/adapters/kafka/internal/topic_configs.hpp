#pragma once
// What brokers say of the settings of topics.
#include "adapters/kafka/internal/handles.hpp"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace memseal::kafka {

using TopicConfig = std::map<std::string, std::string, std::less<>>;

/// The settings of each topic that the broker tells; nothing of the others. Blocks.
std::map<std::string, TopicConfig> describe_topics(rd_kafka_t* client,
                                                   const std::vector<std::string>& topics,
                                                   std::chrono::milliseconds timeout);

}  // namespace memseal::kafka

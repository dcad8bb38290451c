#pragma once
// Copies between librdkafka's lists of partitions and ours.
#include "adapters/kafka/internal/assignment.hpp"
#include "adapters/kafka/internal/handles.hpp"

#include <vector>

namespace memseal::kafka {

Partitions to_partitions(const rd_kafka_topic_partition_list_t& list);
PartitionList to_list(const Partitions& partitions);
PartitionList to_list(const std::vector<Offset>& offsets);

}  // namespace memseal::kafka

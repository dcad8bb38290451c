#include "adapters/kafka/internal/partition_lists.hpp"

namespace memseal::kafka {

Partitions to_partitions(const rd_kafka_topic_partition_list_t& list) {
  Partitions partitions;
  for (int i = 0; i < list.cnt; ++i)
    partitions.push_back({list.elems[i].topic, list.elems[i].partition});
  return partitions;
}

PartitionList to_list(const Partitions& partitions) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const auto& [topic, number] : partitions)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), number);
  return list;
}

PartitionList to_list(const std::vector<Offset>& offsets) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, next] : offsets)
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number)
        ->offset = next;
  return list;
}

}  // namespace memseal::kafka

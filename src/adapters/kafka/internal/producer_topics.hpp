#pragma once
#include "adapters/kafka/internal/handles.hpp"
#include "adapters/kafka/internal/placements.hpp"

#include <map>
#include <mutex>
#include <string>

namespace memseal::kafka {

/// Handles of the topics that a producer writes to. Thread: any.
/// NOTE: rd_kafka_producev() by topic *name* does not ask for the metadata of a new topic. The
/// first record then waits for librdkafka's scan of all topics, which runs once a second. Only
/// rd_kafka_topic_new() asks at once.
class ProducerTopics {
 public:
  /// `client` outlives the handles, and so does `placements`.
  ProducerTopics(rd_kafka_t* client, Placements& placements)
      : client_(client), placements_(placements) {}

  /// Valid as long as this object. Null when librdkafka refuses the name; rd_kafka_last_error()
  /// then says why.
  rd_kafka_topic_t* get(const std::string& name);

 private:
  rd_kafka_t* const client_;
  Placements& placements_;
  std::mutex mutex_;
  std::map<std::string, Topic> topics_;
};

}  // namespace memseal::kafka

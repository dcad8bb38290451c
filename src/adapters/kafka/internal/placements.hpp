#pragma once
#include "adapters/kafka/internal/handles.hpp"
#include "adapters/kafka/internal/pending_publishes.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace memseal::kafka {

/// Chooses the partition of records whose key is not what their order depends on: a sealed event
/// must lie where the other events of its user do, whose key is the user's id.
/// Thread: any; librdkafka calls place() on the publisher's thread or on its own.
class Placements {
 public:
  /// Of the partitioner that the properties name, e.g. "murmur2_random".
  using Partitioner = std::int32_t (*)(const rd_kafka_topic_t*, const void*, std::size_t,
                                       std::int32_t, void*, void*);

  /// The default topic configuration of `client`, with place() as its partitioner.
  /// The caller gives it to rd_kafka_topic_new(), which owns it from then on.
  rd_kafka_topic_conf_t* topic_conf(rd_kafka_t* client);

  /// The record of `ticket` goes where a key `placed_by` would.
  void put(PendingPublishes::Ticket ticket, std::string placed_by);
  void drop(PendingPublishes::Ticket ticket);

 private:
  static std::int32_t place(const rd_kafka_topic_t* topic, const void* key, std::size_t key_bytes,
                            std::int32_t partitions, void* self, void* ticket);

  std::mutex mutex_;
  Partitioner partitioner_ = nullptr;
  std::map<PendingPublishes::Ticket, std::string> placed_by_;
};

}  // namespace memseal::kafka

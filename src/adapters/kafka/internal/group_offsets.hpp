#pragma once
// What the brokers say of a group's offsets. Asked without blocking.
#include "adapters/kafka/internal/assignment.hpp"
#include "adapters/kafka/internal/handles.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace memseal::kafka {

/// The client itself knows the end of a partition only from fetching, which rests while the
/// partition's queue is full, and what was committed only from its own commits.
/// Thread: one executor. REQUIRES: destroyed before the client.
class GroupOffsets {
 public:
  GroupOffsets(rd_kafka_t* client, std::string group);

  /// Asks where `partitions` end, and what the group has committed of `unknown`. A question that
  /// has no answer yet is not asked again.
  void ask(const Partitions& partitions, const Partitions& unknown);
  /// Takes the answers that have come. Returns what the group has committed; 0 stands for nothing.
  std::vector<Offset> take();
  /// The offset behind the last committed record of a partition; -1: unknown.
  std::int64_t end_of(const Partition& partition) const;

 private:
  void take_ends(rd_kafka_event_t* event);
  std::vector<Offset> take_committed(rd_kafka_event_t* event);

  rd_kafka_t* const client_;
  const std::string group_;
  const Queue answers_;
  std::map<Partition, std::int64_t> ends_;
  bool asks_ends_ = false, asks_committed_ = false;
};

}  // namespace memseal::kafka

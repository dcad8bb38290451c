#pragma once
#include "adapters/kafka/internal/assignment.hpp"

#include <cstdint>
#include <map>
#include <string_view>

namespace memseal::kafka {

/// The offset up to which each partition was fetched, of those of which no fetched record waits in
/// the client. `statistics` is librdkafka's JSON (its STATISTICS.md: next_offset, fetchq_cnt).
/// Offsets of what no consumer gets count as fetched: markers of transactions, aborted records.
std::map<Partition, std::int64_t> fetched_up_to(std::string_view statistics);

/// Tells records that are behind from offsets that are no record: markers of transactions, and
/// what was aborted or compacted. Thread: one at a time.
class ReadPositions {
 public:
  /// Before the partitions are counted again.
  void begin_count() noexcept { wanted_ = false; }
  /// Records of `partition` from `next` up to `end`. `is_idle`: this member holds none of them and
  /// has none to commit. Then 0 if the last two statistics both say that it is read up to `end`:
  /// twice, because a client that has just fetched moves its position before it queues the records.
  std::int64_t behind(const Partition& partition, std::int64_t next, std::int64_t end,
                      bool is_idle);
  /// Takes librdkafka's next statistics. They are parsed only while the last count found a
  /// partition whose offset is not at its end.
  void take(std::string_view statistics);

 private:
  std::map<Partition, std::int64_t> last_, before_;
  bool wanted_ = false;
};

}  // namespace memseal::kafka

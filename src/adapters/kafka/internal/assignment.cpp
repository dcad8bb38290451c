#include "adapters/kafka/internal/assignment.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace memseal::kafka {

void Assignment::add(const Partitions& partitions) {
  ++generation_;
  // A partition that comes back starts afresh. Another member may have committed further meanwhile,
  // so the offsets known here are worth nothing.
  for (const auto& partition : partitions) owned_[partition] = Owned{.since = generation_};
}

// A closed partition is still owned: what is in flight is finished and committed before remove().
void Assignment::close(const Partitions& partitions) {
  for (const auto& partition : partitions)
    if (const auto found = owned_.find(partition); found != owned_.end())
      found->second.closed = true;
}

void Assignment::remove(const Partitions& partitions) {
  for (const auto& partition : partitions) owned_.erase(partition);
}

bool Assignment::accepts(const Partition& partition) const {
  const auto found = owned_.find(partition);
  return found != owned_.end() && !found->second.closed;
}

Partitions Assignment::all() const {
  Partitions partitions;
  for (const auto& [partition, owned] : owned_) partitions.push_back(partition);
  return partitions;
}

Assignment::Owned* Assignment::current(const ports::Record& record, std::uint64_t generation) {
  const auto found = owned_.find({record.topic, record.partition});
  // A batch from before a partition left and came back must not move its offset, because another
  // member may have committed further meanwhile.
  if (found == owned_.end() || generation < found->second.since) return nullptr;
  return &found->second;
}

void Assignment::taken(const ports::Batch& batch) {
  for (const auto& record : batch.records) {
    // The totals count records of lost partitions too, because those are still in memory.
    ++records_in_flight_;
    bytes_in_flight_ += record.bytes();
    if (auto* owned = current(record, batch.generation)) ++owned->in_flight;
  }
}

std::vector<Offset> Assignment::done(const ports::Batch& batch) {
  std::map<Partition, std::int64_t> moved;
  for (const auto& record : batch.records) {
    MEMSEAL_ASSERT(records_in_flight_ > 0);
    --records_in_flight_;
    bytes_in_flight_ -= std::min(bytes_in_flight_, record.bytes());
    auto* owned = current(record, batch.generation);
    if (!owned) continue;
    MEMSEAL_ASSERT(owned->in_flight > 0);
    --owned->in_flight;
    // Kafka commits the offset of the next record to read, hence + 1.
    owned->next = std::max(owned->next, record.offset + 1);
    moved[{record.topic, record.partition}] = owned->next;
  }
  std::vector<Offset> offsets;
  for (const auto& [partition, next] : moved) offsets.push_back({partition, next});
  return offsets;
}

bool Assignment::in_flight(const Partitions& partitions) const {
  return std::any_of(partitions.begin(), partitions.end(), [&](const Partition& partition) {
    const auto found = owned_.find(partition);
    return found != owned_.end() && found->second.in_flight > 0;
  });
}

std::vector<Offset> Assignment::uncommitted(const Partitions& partitions) const {
  std::vector<Offset> offsets;
  for (const auto& partition : partitions) {
    const auto found = owned_.find(partition);
    if (found != owned_.end() && found->second.next > found->second.committed)
      offsets.push_back({partition, found->second.next});
  }
  return offsets;
}

void Assignment::committed(const std::vector<Offset>& offsets) {
  for (const auto& offset : offsets)
    if (const auto found = owned_.find(offset.partition); found != owned_.end())
      found->second.committed = std::max(found->second.committed, offset.next);
}

std::int64_t Assignment::next_of(const Partition& partition) const {
  const auto found = owned_.find(partition);
  return found == owned_.end() ? -1 : found->second.next;
}

}  // namespace memseal::kafka

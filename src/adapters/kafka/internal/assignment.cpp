#include "adapters/kafka/internal/assignment.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <utility>

namespace memseal::kafka {

namespace {

constexpr std::int64_t ms_per_s = 1'000;

}  // namespace

void Assignment::add(const Partitions& partitions) {
  remove(partitions);
  ++generation_;
  // A partition that comes back starts from nothing. Another member may have committed further
  // meanwhile, so the offsets known here are worth nothing.
  for (const auto& partition : partitions) owned_[partition].since = generation_;
}

// A closed partition is still owned: what is in flight is finished and committed before remove().
void Assignment::close(const Partitions& partitions) {
  for (const auto& partition : partitions)
    if (const auto found = owned_.find(partition); found != owned_.end())
      found->second.closed = true;
}

void Assignment::remove(const Partitions& partitions) {
  for (const auto& partition : partitions) {
    const auto found = owned_.find(partition);
    if (found == owned_.end()) continue;
    auto& owned = found->second;
    set_resting(owned, false);
    records_blocked_ -= owned.blocked;
    records_settled_ -= owned.settled;
    owned_.erase(found);
  }
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

const Assignment::Owned* Assignment::current(const ports::Record& record,
                                             std::uint64_t generation) const {
  const auto found = owned_.find({record.topic, record.partition});
  // A batch from before a partition left and came back must not move its offset, because another
  // member may have committed further meanwhile.
  if (found == owned_.end() || generation < found->second.since) return nullptr;
  return &found->second;
}

Assignment::Owned* Assignment::current(const ports::Record& record, std::uint64_t generation) {
  return const_cast<Owned*>(std::as_const(*this).current(record, generation));
}

void Assignment::buffered(const ports::Record& record) {
  ++records_buffered_;
  bytes_buffered_ += record.bytes();
  if (auto* owned = current(record, generation_)) {
    ++owned->buffered;
    owned->bytes += record.bytes();
  }
}

void Assignment::unbuffered(const ports::Record& record) {
  MEMSEAL_ASSERT(records_buffered_ > 0);
  --records_buffered_;
  bytes_buffered_ -= record.bytes();
  if (auto* owned = current(record, generation_)) {
    owned->buffered -= std::min<std::size_t>(owned->buffered, 1);
    owned->bytes -= std::min(owned->bytes, record.bytes());
  }
}

bool Assignment::room_for(const Owned& owned) const {
  // A partition that rests goes on only when half as much is held as when it began to rest. Without
  // the gap it would rest and go on with each record.
  const std::size_t parts = owned.resting ? 4 : 2;
  if (owned.blocked >= 2 * window_.blocked / parts || bytes_held() >= window_.bytes_wall)
    return false;
  // Each partition may hold one record, or a partition behind a busy one would never be read.
  if (owned.records() == 0) return true;
  const auto records = records_buffered_ + records_in_flight_;
  if (records < window_.records / parts && bytes_held() < window_.bytes / parts) return true;
  // When all of them together are over the window, each has its share: one busy partition cannot
  // stop the others.
  const auto shares = parts * owned_.size();
  return owned.records() < std::max<std::size_t>(1, window_.records / shares) &&
         owned.bytes < window_.bytes / shares;
}

void Assignment::set_resting(Owned& owned, bool rests) {
  if (std::exchange(owned.resting, rests) == rests) return;
  rests ? ++resting_ : --resting_;
}

bool Assignment::has_room(const Partition& partition) {
  const auto found = owned_.find(partition);
  if (found == owned_.end() || found->second.closed) return false;
  const bool room = room_for(found->second);
  set_resting(found->second, !room);
  return room;
}

bool Assignment::may_resume() const {
  return std::any_of(owned_.begin(), owned_.end(), [this](const auto& entry) {
    const auto& owned = entry.second;
    return owned.resting && !owned.closed && room_for(owned);
  });
}

void Assignment::taken(const ports::Batch& batch) {
  for (const auto& record : batch.records) {
    // The totals count records of lost partitions too, because those are still in memory.
    ++records_in_flight_;
    bytes_in_flight_ += record.bytes();
    auto* owned = current(record, batch.generation);
    if (!owned) continue;
    ++owned->in_flight;
    owned->bytes += record.bytes();
    owned->taken.push_back(
        {record.offset, static_cast<std::uint32_t>(record.timestamp_ms / ms_per_s)});
  }
}

// What a record that is no longer in flight took of the window.
void Assignment::forget(const ports::Record& record, Owned* owned) {
  MEMSEAL_ASSERT(records_in_flight_ > 0);
  --records_in_flight_;
  bytes_in_flight_ -= std::min(bytes_in_flight_, record.bytes());
  if (!owned) return;
  MEMSEAL_ASSERT(owned->in_flight > 0);
  --owned->in_flight;
  owned->bytes -= std::min(owned->bytes, record.bytes());
}

// True when the offset to commit moved.
bool Assignment::advance(Owned& owned, std::int64_t offset) {
  auto& taken = owned.taken;
  // From the end, because behind a record that waits long almost all are done.
  const auto at = std::find_if(taken.rbegin(), taken.rend(), [offset](const Taken& one) {
    return one.offset == offset && !one.done;
  });
  MEMSEAL_ASSERT(at != taken.rend());
  at->done = true;
  ++owned.blocked;
  ++records_blocked_;
  const auto before = owned.next;
  for (; !taken.empty() && taken.front().done; taken.pop_front()) {
    // Kafka commits the offset of the next record to read, hence + 1.
    owned.next = std::max(owned.next, taken.front().offset + 1);
    --owned.blocked;
    --records_blocked_;
  }
  return owned.next != before;
}

// Calls each(record, owned) and returns the offsets that moved.
template <class Each>
std::vector<Offset> Assignment::move_offsets(const ports::Batch& batch, Each each) {
  std::map<Partition, std::int64_t> moved;
  for (const auto& record : batch.records) {
    auto* owned = current(record, batch.generation);
    each(record, owned);
    if (owned && advance(*owned, record.offset))
      moved[{record.topic, record.partition}] = owned->next;
  }
  std::vector<Offset> offsets;
  for (const auto& [partition, next] : moved) offsets.push_back({partition, next});
  return offsets;
}

std::vector<Offset> Assignment::done(const ports::Batch& batch) {
  return move_offsets(
      batch, [this](const ports::Record& record, Owned* owned) { forget(record, owned); });
}

void Assignment::settled(const ports::Batch& batch) {
  for (const auto& record : batch.records) {
    auto* owned = current(record, batch.generation);
    forget(record, owned);
    if (!owned) continue;
    ++owned->settled;
    ++records_settled_;
  }
}

std::vector<Offset> Assignment::confirmed(const ports::Batch& batch) {
  return move_offsets(batch, [this](const ports::Record&, Owned* owned) {
    if (!owned) return;
    MEMSEAL_ASSERT(owned->settled > 0);
    --owned->settled;
    --records_settled_;
  });
}

bool Assignment::unreported(const Partitions& partitions) const {
  return std::any_of(partitions.begin(), partitions.end(), [&](const Partition& partition) {
    const auto found = owned_.find(partition);
    return found != owned_.end() && found->second.settled > 0;
  });
}

// They stay in `taken`, so that the offset never passes them.
void Assignment::dropped(const ports::Batch& batch) {
  for (const auto& record : batch.records) {
    MEMSEAL_ASSERT(!keeps(record, batch.generation));
    forget(record, current(record, batch.generation));
  }
}

bool Assignment::keeps(const ports::Record& record, std::uint64_t generation) const {
  const auto* owned = current(record, generation);
  return owned && !owned->closed;
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

std::int64_t Assignment::committed_of(const Partition& partition) const {
  const auto found = owned_.find(partition);
  return found == owned_.end() ? -1 : found->second.committed;
}

bool Assignment::holds(const Partition& partition) const {
  const auto found = owned_.find(partition);
  return found != owned_.end() && (found->second.buffered > 0 || !found->second.taken.empty());
}

std::optional<std::int64_t> Assignment::oldest_ms(const Partition& partition) const {
  const auto found = owned_.find(partition);
  if (found == owned_.end() || found->second.taken.empty()) return std::nullopt;
  return std::int64_t{found->second.taken.front().time_s} * ms_per_s;
}

std::int64_t Assignment::next_of(const Partition& partition) const {
  const auto found = owned_.find(partition);
  return found == owned_.end() ? -1 : found->second.next;
}

}  // namespace memseal::kafka

#pragma once
// Which partitions this member owns, which records it holds, and which offsets may be committed.
// Pure: knows neither librdkafka nor a clock.
#include "base/limits.hpp"
#include "ports/event_source.hpp"

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::kafka {

struct Partition {
  std::string topic;
  std::int32_t number = 0;
  friend auto operator<=>(const Partition&, const Partition&) = default;
};

using Partitions = std::vector<Partition>;

/// All records before `next` have taken effect.
struct Offset {
  Partition partition;
  std::int64_t next = 0;
};

/// How much a source may hold.
struct Window {
  // Of records buffered or in flight.
  std::size_t records = limits::inflight_records_max;
  std::size_t bytes = limits::inflight_bytes_max;
  std::size_t bytes_wall = limits::inflight_bytes_wall;  ///< no record is taken beyond it
  /// Of one partition: records that are done behind one that is not.
  std::size_t blocked = limits::blocked_records_max;
};

class Assignment {
 public:
  explicit Assignment(Window window = {}) : window_(window) {}

  /// Each call starts a new generation.
  void add(const Partitions& partitions);
  /// Accepts no more records of these partitions, which are about to be released.
  void close(const Partitions& partitions);
  void remove(const Partitions& partitions);

  bool accepts(const Partition& partition) const;
  std::uint64_t generation() const noexcept { return generation_; }
  Partitions all() const;
  std::size_t size() const noexcept { return owned_.size(); }

  /// A record enters or leaves the buffer before the worker.
  void buffered(const ports::Record& record);
  void unbuffered(const ports::Record& record);

  /// Whether another record of `partition` may be buffered.
  /// Half of the window is for the partitions that come first. Of the other half each partition has
  /// an equal share, so that one with much to do cannot keep the others from being read. A
  /// partition that found no room rests until half of that is free. One record always fits, up to
  /// Window::bytes_wall.
  /// NOTE: records that are done behind one that is not take no room, so that an event that waits
  /// stops its partition only after Window::blocked of them.
  bool has_room(const Partition& partition);
  /// Whether a partition rests.
  bool rests() const noexcept { return resting_ > 0; }
  /// Whether a partition that rests has room again.
  bool may_resume() const;

  /// The worker takes batches with taken() and returns their records with done(), in any order.
  /// done() returns the new offset of each partition that advanced: the offset before its first
  /// record that is not done. Records of an earlier assignment of their partition advance nothing,
  /// because another member may have gone on since.
  void taken(const ports::Batch& batch);
  std::vector<Offset> done(const ports::Batch& batch);
  /// done() in two steps: settled() frees the room that the records take, and confirmed() lets
  /// their offsets be committed. NOTE: confirmed() reads only the place of a record.
  void settled(const ports::Batch& batch);
  std::vector<Offset> confirmed(const ports::Batch& batch);
  /// Whether a record of `partitions` is settled and not confirmed.
  bool unreported(const Partitions& partitions) const;
  /// Returns records that took no effect. REQUIRES: keeps() is false for each.
  void dropped(const ports::Batch& batch);
  /// Whether a record taken in `generation` is still this member's: its partition neither left nor
  /// is about to.
  bool keeps(const ports::Record& record, std::uint64_t generation) const;
  bool in_flight(const Partitions& partitions) const;
  std::size_t records_in_flight() const noexcept { return records_in_flight_; }
  std::size_t bytes_in_flight() const noexcept { return bytes_in_flight_; }
  std::size_t records_held() const noexcept {
    return records_buffered_ + records_in_flight_ + records_blocked_ + records_settled_;
  }
  std::size_t bytes_held() const noexcept { return bytes_buffered_ + bytes_in_flight_; }
  /// What is left of the half that is for the partitions that come first.
  std::size_t bytes_free() const noexcept {
    return window_.bytes / 2 - std::min(window_.bytes / 2, bytes_held());
  }

  /// Offsets that are finished and not committed, of the partitions given or of all.
  std::vector<Offset> uncommitted() const { return uncommitted(all()); }
  std::vector<Offset> uncommitted(const Partitions& partitions) const;
  /// The broker has confirmed these offsets.
  void committed(const std::vector<Offset>& offsets);

  /// Offset before the first record that is not done; -1 while none advanced it.
  std::int64_t next_of(const Partition& partition) const;
  /// What committed() said last; -1: nothing.
  std::int64_t committed_of(const Partition& partition) const;
  /// Whether a record of the partition is buffered, or was taken and is not confirmed.
  bool holds(const Partition& partition) const;
  /// The time of the first record that was taken and is not done, to the second. Unix ms.
  std::optional<std::int64_t> oldest_ms(const Partition& partition) const;

 private:
  struct Taken {
    std::int64_t offset = 0;
    std::uint32_t time_s = 0;
    bool done = false;
  };
  struct Owned {
    std::uint64_t since = 0;  // generation of its assignment
    bool closed = false, resting = false;
    std::deque<Taken> taken;  // from the first one that is not done, in the partition's order
    std::size_t in_flight = 0, buffered = 0;
    std::size_t blocked = 0;  // of `taken`, done
    std::size_t settled = 0;  // of `taken`, settled and not confirmed
    std::size_t bytes = 0;    // of the records buffered or in flight
    std::int64_t next = -1;
    std::int64_t committed = -1;

    std::size_t records() const noexcept { return buffered + in_flight; }
  };
  Owned* current(const ports::Record& record, std::uint64_t generation);
  const Owned* current(const ports::Record& record, std::uint64_t generation) const;
  bool room_for(const Owned& owned) const;
  void set_resting(Owned& owned, bool rests);
  bool advance(Owned& owned, std::int64_t offset);
  void forget(const ports::Record& record, Owned* owned);
  template <class Each>
  std::vector<Offset> move_offsets(const ports::Batch& batch, Each each);

  const Window window_;
  std::map<Partition, Owned> owned_;
  std::uint64_t generation_ = 0;
  std::size_t records_in_flight_ = 0, bytes_in_flight_ = 0;
  std::size_t records_buffered_ = 0, bytes_buffered_ = 0;
  std::size_t records_blocked_ = 0;  // done, behind one that is not
  std::size_t records_settled_ = 0;  // and not confirmed
  std::size_t resting_ = 0;
};

}  // namespace memseal::kafka

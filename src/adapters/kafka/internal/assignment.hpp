#pragma once
// Which partitions this member owns, which records are in flight, and which offsets may be
// committed. Pure: knows neither librdkafka nor a clock.
#include "ports/event_source.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
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

class Assignment {
 public:
  /// Each call starts a new generation.
  void add(const Partitions& partitions);
  /// Accepts no more records of these partitions, which are about to be released.
  void close(const Partitions& partitions);
  void remove(const Partitions& partitions);

  bool accepts(const Partition& partition) const;
  std::uint64_t generation() const noexcept { return generation_; }
  Partitions all() const;
  std::size_t size() const noexcept { return owned_.size(); }

  /// The worker takes `batch` with taken() and returns it with done().
  /// REQUIRES: batches return in the order in which they were taken.
  /// done() returns the new offset of each partition that advanced. Records of an earlier
  /// assignment of their partition advance nothing, because another member may have gone on since.
  void taken(const ports::Batch& batch);
  std::vector<Offset> done(const ports::Batch& batch);
  bool in_flight(const Partitions& partitions) const;
  std::size_t records_in_flight() const noexcept { return records_in_flight_; }
  std::size_t bytes_in_flight() const noexcept { return bytes_in_flight_; }

  /// Offsets that are finished and not committed, of the partitions given or of all.
  std::vector<Offset> uncommitted() const { return uncommitted(all()); }
  std::vector<Offset> uncommitted(const Partitions& partitions) const;
  /// The broker has confirmed these offsets.
  void committed(const std::vector<Offset>& offsets);

  /// Offset after the last finished record; -1 when none was finished.
  std::int64_t next_of(const Partition& partition) const;

 private:
  struct Owned {
    std::uint64_t since = 0;  // generation of its assignment
    bool closed = false;
    std::size_t in_flight = 0;
    std::int64_t next = -1;
    std::int64_t committed = -1;
  };
  Owned* current(const ports::Record& record, std::uint64_t generation);

  std::map<Partition, Owned> owned_;
  std::uint64_t generation_ = 0;
  std::size_t records_in_flight_ = 0, bytes_in_flight_ = 0;
};

}  // namespace memseal::kafka

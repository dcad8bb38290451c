#pragma once
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace memseal::ports {

namespace asio = boost::asio;

/// One Kafka record, copied out of the client library.
struct Record {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;  ///< Unix ms; 0 unknown
  bool has_broker_time = false;   ///< timestamp_ms is the broker's clock; else the producer's
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;

  /// Of a record that was changed after it was taken: its bytes() before; else 0.
  std::size_t taken_bytes = 0;

  std::size_t bytes() const noexcept {
    return taken_bytes > 0 ? taken_bytes : key.size() + value.size() + 128;
  }
};

/// Records of one take, in order per partition. `generation` tells assignments apart: a batch taken
/// before a rebalance stores no offset after it.
struct Batch {
  std::vector<Record> records;
  std::uint64_t generation = 0;
};

/// Where events come from. One consumer coroutine, on the source's executor.
class EventSource {
 public:
  virtual ~EventSource() = default;
  /// Waits for at least one record and takes what is there, at most limits::batch_records_max
  /// records and limits::batch_bytes_max bytes (one record always fits). An empty batch means that
  /// the source was told to stop. Cancellable.
  virtual asio::awaitable<Batch> next() = 0;
  /// Says that every record of `batch` has taken effect (stored or dead-lettered). `batch` holds
  /// any of the records taken in its generation; each is returned once, in any order. The offset of
  /// a partition is committed up to its first record that was not returned.
  /// Never throws; offsets of lost partitions are dropped.
  virtual void done(const Batch& batch) = 0;
  /// The same in two steps, where something remains to be reported: from settled() on the records
  /// take no room of the source, and after confirmed() their offsets may be committed. confirmed()
  /// reads only the place of a record, so the rest may be gone. A record that is settled and never
  /// confirmed comes again. Never throws.
  virtual void settled(const Batch& batch) = 0;
  virtual void confirmed(const Batch& batch) = 0;
  /// Returns records that took no effect and are no longer worked on, so that their partitions can
  /// leave at once. REQUIRES: keeps() is false for each. Never throws.
  virtual void dropped(const Batch& batch) = 0;
  /// Whether a record taken in `generation` is still for this process to finish. False once its
  /// partition leaves, because another process then reads the record.
  virtual bool keeps(const Record& record, std::uint64_t generation) const = 0;
  /// `left()` is called whenever partitions leave; empty: no call. It may call dropped().
  virtual void on_departure(std::function<void()> left) = 0;
};

}  // namespace memseal::ports

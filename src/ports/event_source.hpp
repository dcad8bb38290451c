#pragma once
#include <boost/asio/awaitable.hpp>

#include <cstdint>
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
  std::int64_t timestamp_ms = 0;  ///< broker's or producer's clock, Unix ms; 0 unknown
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;

  std::size_t bytes() const noexcept { return key.size() + value.size() + 128; }
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
  /// Says that every record of `batch` has taken effect (stored or dead-lettered): only now may
  /// their offsets be committed. Never throws; offsets of lost partitions are dropped.
  virtual void done(const Batch& batch) = 0;
};

}  // namespace memseal::ports

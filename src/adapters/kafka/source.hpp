#pragma once
#include "adapters/kafka/client.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "ports/event_source.hpp"
#include "runtime/metrics.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace memseal::kafka {

namespace asio = boost::asio;

struct SourceOptions {
  ClientOptions client;
  std::string group;
  std::vector<std::string> topics;
  /// Static membership: a restart within 45 s moves no partition. Empty: dynamic membership.
  std::string instance_id = {};
  /// Buffered and in flight together. At either limit the partitions are paused, at half of both
  /// resumed; one fetch of the client library may overshoot.
  std::size_t records_max = limits::inflight_records_max;
  std::size_t bytes_max = limits::inflight_bytes_max;
  std::chrono::milliseconds revoke_wait{5'000};     ///< for the batch in flight, and its commit
  std::chrono::milliseconds stop_wait{15'000};      ///< likewise, after request_stop()
};

/// A consumer group member as an EventSource: at-least-once, in order per partition.
///
/// One executor, single-threaded: every member runs there except connected() and lag(), which any
/// thread may call. Lifetime: run() has ended before the source is destroyed.
/// Offsets: done() stores the offset after each finished record of the current assignment; stored
/// offsets are committed each second, before a partition is given up, and at the
/// end. A crash repeats records and never skips one.
class KafkaSource final : public ports::EventSource {
 public:
  /// Connects to nothing yet. Errors: bad_config, naming the property.
  static Result<std::unique_ptr<KafkaSource>> open(const asio::any_io_executor& executor,
                                                   SourceOptions options,
                                                   runtime::Metrics& metrics);
  ~KafkaSource() override;

  /// Subscribes, polls until request_stop() or cancellation, then commits and leaves the group
  /// without blocking the loop. After request_stop() it first waits for batches in flight; when
  /// cancelled it does not. Broker trouble is logged and counted, never thrown; a topic that does
  /// not exist yet is picked up when it does. Call once.
  asio::awaitable<void> run();
  /// next() answers empty from now on; what is buffered stays uncommitted for the next member.
  void request_stop();

  asio::awaitable<ports::Batch> next() override;
  void done(const ports::Batch& batch) override;

  /// Whether a broker was connected at the last look (at most 2 s old).
  bool connected() const noexcept;
  /// Records of the assigned partitions that are not done yet, as far as known.
  std::int64_t lag() const noexcept;

  class Impl;

 private:
  explicit KafkaSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::kafka

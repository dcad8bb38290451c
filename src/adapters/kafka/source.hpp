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
  /// Static membership: a restart within session.timeout.ms (10 s) moves no partition. Each process
  /// needs its own. Empty: dynamic membership.
  std::string instance_id = {};
  /// Limits of the records that are buffered or in flight. Half is for the partitions that come
  /// first, the other half in equal shares for each: a partition with much to do cannot keep the
  /// others from being read. The last record of each partition may overshoot, all together up to
  /// limits::inflight_bytes_wall.
  std::size_t records_max = limits::inflight_records_max;
  std::size_t bytes_max = limits::inflight_bytes_max;
  std::chrono::milliseconds revoke_wait{5'000};  ///< for the batch in flight, and its commit
  std::chrono::milliseconds stop_wait{7'000};    ///< likewise, after request_stop()
  /// For confirmed() of what is settled(), each time. Short, because its work is done.
  std::chrono::milliseconds report_wait{500};
};

/// A consumer group member as an EventSource: at-least-once, in order per partition.
///
/// Thread: one single-threaded executor; connected() and lag() any.
/// REQUIRES: run() has ended before the source is destroyed.
/// Offsets: done() and confirmed() store the offset before the first record of each partition that
/// is not done, of the current assignment. Stored offsets are committed each second, before a
/// partition is released, and at the end.
/// A crash repeats records and never skips one.
class KafkaSource final : public ports::EventSource {
 public:
  /// Does not wait for a broker. Errors: bad_config, naming the property.
  static Result<std::unique_ptr<KafkaSource>> open(const asio::any_io_executor& executor,
                                                   SourceOptions options,
                                                   runtime::Metrics& metrics);
  ~KafkaSource() override;

  /// Subscribes and polls until request_stop() or cancellation. Then commits and leaves the group
  /// without blocking the loop. After request_stop() it first waits for records in flight; when
  /// cancelled it does not. Call once.
  /// A broker that is unavailable is logged and counted, never thrown. A topic that does not exist
  /// yet is consumed as soon as it does.
  /// Throws Refused{bad_config} when this member can never consume again: another process uses its
  /// instance_id, or the broker denies access to the group or a topic.
  asio::awaitable<void> run();
  /// next() returns an empty batch from now on. Buffered records stay uncommitted, so the next
  /// member reads them.
  void request_stop();
  /// While held, next() returns no record and none is fetched beyond the library's own bounded
  /// queues. The member keeps its partitions, records that were taken go on, and what is not taken
  /// stays uncommitted. Released, it goes on with the record that comes next.
  void set_held(bool held);

  asio::awaitable<ports::Batch> next() override;
  void done(const ports::Batch& batch) override;
  void settled(const ports::Batch& batch) override;
  void confirmed(const ports::Batch& batch) override;
  void dropped(const ports::Batch& batch) override;
  bool keeps(const ports::Record& record, std::uint64_t generation) const override;
  void on_departure(std::function<void()> left) override;

  /// Whether a broker was connected at the last statistics, which are at most 2 s old.
  bool connected() const noexcept;
  /// Records of the assigned partitions that are not committed, some seconds old. A partition
  /// counts as soon as a broker has said what is committed and where the partition ends.
  std::int64_t lag() const noexcept;

  class Impl;

 private:
  explicit KafkaSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace memseal::kafka

#pragma once
#include "adapters/kafka/internal/assignment.hpp"
#include "adapters/kafka/internal/fetch_positions.hpp"
#include "adapters/kafka/internal/group_offsets.hpp"
#include "adapters/kafka/internal/handles.hpp"
#include "adapters/kafka/internal/partition_lists.hpp"
#include "adapters/kafka/internal/source_metrics.hpp"
#include "adapters/kafka/internal/wake.hpp"
#include "adapters/kafka/source.hpp"
#include "base/result.hpp"
#include "runtime/condition.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <optional>

namespace memseal::kafka {

/// The state of a KafkaSource. librdkafka's callbacks run inside serve_events(), on the source's
/// executor, so no member but the atomics needs a lock.
/// Back pressure: at a limit the records of a partition stay in the library's own bounded queue,
/// because pausing the partition would throw away the records that are prefetched there, and fetch
/// them again. Each partition has a queue of its own, so that one does not wait for another.
class KafkaSource::Impl {
 public:
  Impl(const asio::any_io_executor& executor, SourceOptions options, runtime::Metrics& metrics);
  ~Impl();
  Result<void> open();

  asio::awaitable<void> run();
  void request_stop();
  void set_held(bool held);
  asio::awaitable<ports::Batch> next();
  void done(const ports::Batch& batch);
  void settled(const ports::Batch& batch);
  void confirmed(const ports::Batch& batch);
  void dropped(const ports::Batch& batch);
  bool keeps(const ports::Record& record, std::uint64_t generation) const;
  void on_departure(std::function<void()> left);

  std::atomic<bool> connected{false};
  std::atomic<std::int64_t> lag{0};

 private:
  using Clock = std::chrono::steady_clock;

  // Partitions that the group moves to another member. Three steps: their records in flight end,
  // their offsets are committed, they are released.
  struct Revocation {
    Partitions partitions;
    Clock::time_point deadline;
    Clock::time_point report_deadline;  // of what has taken effect and is not reported yet
    int commits_left = 5;
  };

  // Consecutive messages of one partition share one look-up of its name, state and counter.
  struct PartitionRun {
    const rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = -1;
    std::string name = {};
    bool accepted = false;
    runtime::Counter* count = nullptr;
  };

  static void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t change,
                           rd_kafka_topic_partition_list_t* partitions, void* self);
  static void on_commit(rd_kafka_t*, rd_kafka_resp_err_t outcome,
                        rd_kafka_topic_partition_list_t* offsets, void* self);
  static void on_own_commit(rd_kafka_t*, rd_kafka_resp_err_t outcome,
                            rd_kafka_topic_partition_list_t* offsets, void* self);
  static void on_error(rd_kafka_t*, int code, const char* cause, void* self);
  static int on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self);

  Result<void> subscribe();
  asio::awaitable<void> poll_until_stopped();
  asio::awaitable<void> close();

  void poll_once();
  void serve_events();
  bool take_records();
  bool take_from(const Queue& queue);
  void buffer_records(rd_kafka_message_t** messages, std::size_t count);
  void start_run(const rd_kafka_message_t& message, PartitionRun& run);
  void buffer_record(const rd_kafka_message_t& message, const PartitionRun& run);
  void log_error(const rd_kafka_message_t& message);
  void note_denial(rd_kafka_resp_err_t code, const std::string& topic);
  void throw_if_lasting();
  bool may_log();

  void assign(const rd_kafka_topic_partition_list_t& list);
  void revoke(Partitions partitions, bool lost);
  void step_revocation(Clock::time_point now);
  void release_partitions(const Partitions& partitions);

  bool commit(const std::vector<Offset>& offsets);
  void store(const std::vector<Offset>& offsets);
  void wake_if_useful();

  // source_lag.cpp
  std::optional<std::int64_t> behind(const Partition& partition);
  double age_s(const Partition& partition, std::int64_t held_since_ms, Clock::time_point now);
  void update_lag(Clock::time_point now);
  void forget_lag(const Partition& partition);

  const SourceOptions options_;
  SourceMetrics metrics_;
  Wake wake_;
  runtime::Condition arrived_;
  Client client_;
  std::optional<GroupOffsets> offsets_;
  Queue events_;  // rebalances, commits, errors: always served
  // Records: served while their partition has room.
  std::map<Partition, Queue> queues_;
  Partition last_read_;
  std::function<void()> left_;  // the worker, which drops records of partitions that leave

  Assignment assignment_;
  std::deque<ports::Record> buffer_;
  std::optional<Revocation> revocation_;
  bool commit_under_way_ = false;
  std::optional<Error> denied_;  // Set when the broker denies access that this source needs.
  // The offset for which each partition waits that is behind, and since when.
  struct Waiting {
    std::int64_t offset = -1;
    Clock::time_point since;
  };
  std::map<Partition, Waiting> waiting_;
  ReadPositions read_positions_;
  Clock::time_point next_commit_{}, next_lag_update_{}, next_log_{};
  bool held_ = false;  // no record is taken
  bool stopping_ = false, closing_ = false, running_ = false;
};

}  // namespace memseal::kafka

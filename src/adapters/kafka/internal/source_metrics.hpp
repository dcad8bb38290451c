#pragma once
#include "adapters/kafka/internal/assignment.hpp"
#include "runtime/metrics.hpp"

#include <map>
#include <string>

namespace memseal::kafka {

/// The metrics of a source. The topics are known at start; a partition's gauge appears when the
/// partition is assigned.
class SourceMetrics {
 public:
  SourceMetrics(runtime::Metrics& metrics, const std::vector<std::string>& topics);

  runtime::Counter& records(const std::string& topic);
  /// Sets the gauges of one partition. Set 0 when the partition is released, because its next owner
  /// reports its lag.
  void lag(const Partition& partition, std::int64_t records, double seconds);

  runtime::Counter& commits;
  runtime::Counter& commit_failures;
  runtime::Counter& rebalances_assigned;
  runtime::Counter& rebalances_revoked;
  runtime::Counter& rebalances_lost;
  runtime::Counter& errors;
  runtime::Gauge& paused;
  runtime::Gauge& connected;
  runtime::Gauge& fenced;
  runtime::Gauge& partitions;
  runtime::Gauge& held_records;
  runtime::Gauge& held_bytes;

 private:
  runtime::Metrics& metrics_;
  std::map<std::string, runtime::Counter*> records_;
  struct Lag {
    runtime::Gauge* records = nullptr;
    runtime::Gauge* seconds = nullptr;
  };
  std::map<Partition, Lag> lag_;
};

}  // namespace memseal::kafka

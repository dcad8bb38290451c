#pragma once
#include "adapters/kafka/internal/assignment.hpp"
#include "runtime/metrics.hpp"

#include <map>
#include <string>

namespace memseal::kafka {

/// The metrics of a source. Topics are few and known; partitions appear as they are assigned.
class SourceProbe {
 public:
  SourceProbe(runtime::Metrics& metrics, const std::vector<std::string>& topics);

  runtime::Counter& records(const std::string& topic);
  /// Sets the gauge of one partition; 0 when it is given up.
  void lag(const Partition& partition, std::int64_t records);

  runtime::Counter& commits;
  runtime::Counter& commit_failures;
  runtime::Counter& rebalances_assigned;
  runtime::Counter& rebalances_revoked;
  runtime::Counter& rebalances_lost;
  runtime::Counter& errors;
  runtime::Gauge& paused;
  runtime::Gauge& connected;
  runtime::Gauge& partitions;
  runtime::Gauge& held_records;
  runtime::Gauge& held_bytes;

 private:
  runtime::Metrics& metrics_;
  std::map<std::string, runtime::Counter*> records_;
  std::map<Partition, runtime::Gauge*> lag_;
};

}  // namespace memseal::kafka

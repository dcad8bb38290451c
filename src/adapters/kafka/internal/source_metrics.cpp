#include "adapters/kafka/internal/source_metrics.hpp"

namespace memseal::kafka {

namespace {

runtime::Counter& rebalances(runtime::Metrics& metrics, const char* kind) {
  return metrics.counter("memseal_kafka_rebalances_total", "Partition assignments changed.",
                         {{"kind", kind}});
}

runtime::Labels place_of(const Partition& partition) {
  return {{"topic", partition.topic}, {"partition", std::to_string(partition.number)}};
}

}  // namespace

SourceMetrics::SourceMetrics(runtime::Metrics& metrics, const std::vector<std::string>& topics)
    : commits(metrics.counter("memseal_kafka_commits_total", "Offset commits, by outcome.",
                              {{"outcome", "ok"}})),
      commit_failures(metrics.counter("memseal_kafka_commits_total",
                                      "Offset commits, by outcome.", {{"outcome", "failed"}})),
      rebalances_assigned(rebalances(metrics, "assigned")),
      rebalances_revoked(rebalances(metrics, "revoked")),
      rebalances_lost(rebalances(metrics, "lost")),
      errors(metrics.counter("memseal_kafka_errors_total",
                             "Errors that brokers or the Kafka client reported.")),
      paused(metrics.gauge("memseal_kafka_paused",
                           "1 while reading pauses because a limit in memory is reached.")),
      connected(metrics.gauge("memseal_kafka_connected", "1 while a broker is connected.",
                              {{"role", "consumer"}})),
      fenced(metrics.gauge("memseal_kafka_fenced",
                           "1 when this consumer never goes on: another process has its place, or "
                           "access is denied.")),
      partitions(metrics.gauge("memseal_kafka_partitions", "Partitions assigned to this member.")),
      held_records(metrics.gauge("memseal_kafka_held_records", "Records buffered or in flight.")),
      held_bytes(metrics.gauge("memseal_kafka_held_bytes", "Bytes buffered or in flight.")),
      metrics_(metrics) {
  // Counters exist from the start, so that the first scrape shows 0 and a rate sees the first
  // record.
  for (const auto& topic : topics) records(topic);
}

runtime::Counter& SourceMetrics::records(const std::string& topic) {
  auto& counter = records_[topic];
  if (!counter)
    counter = &metrics_.counter("memseal_kafka_records_total", "Records consumed, by topic.",
                                {{"topic", topic}});
  return *counter;
}

void SourceMetrics::lag(const Partition& partition, std::int64_t records, double seconds) {
  // A gauge begins with its partition, because only the group's assignment tells which partitions
  // this member reads.
  auto& lag = lag_[partition];
  if (!lag.records) {
    lag.records =
        &metrics_.gauge("memseal_kafka_consumer_lag_records",
                        "Records of a partition that are not committed.", place_of(partition));
    lag.seconds = &metrics_.gauge("memseal_kafka_consumer_lag_seconds",
                                  "Age of the first record of a partition that is not committed.",
                                  place_of(partition));
  }
  lag.records->Set(static_cast<double>(records));
  lag.seconds->Set(seconds);
}

}  // namespace memseal::kafka

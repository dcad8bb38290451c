#include "adapters/postgres/metrics.hpp"

namespace memseal::postgres {

namespace {

runtime::Histogram& seconds(runtime::Metrics& metrics, const char* op) {
  return metrics.histogram("memseal_db_seconds",
                           "Time of one database call, including the wait for a thread.",
                           runtime::latency_buckets_s(), {{"op", op}});
}

}  // namespace

PostgresMetrics::PostgresMetrics(runtime::Metrics& metrics)
    : all(metrics),
      rls_errors(metrics.counter("memseal_rls_errors_total",
                                 "Statements that row-level security refused; must stay 0.")),
      rls_policy_errors(metrics.counter(
          "memory_rls_policy_errors_total",
          "Statements that row-level security refused; must stay 0. As memseal_rls_errors_total.")),
      isolation_findings(metrics.gauge(
          "memseal_isolation_findings",
          "Mistakes in the catalog that would let rows pass between tenants; must stay 0.")),
      isolation_checked(metrics.gauge("memseal_isolation_checked_seconds",
                                      "Unix time of the last look at the catalog; 0: none yet.")),
      erasures_heard(metrics.gauge(
          "memseal_erasures_heard",
          "1 while this process hears at once of users that any process erases; else its cached "
          "keys live for 5 minutes more.")),
      backup_taken(metrics.gauge("memseal_backup_taken_seconds",
                                 "Unix time of the newest backup's snapshot; 0: none is known.")),
      outages(metrics.counter("memseal_db_outages_total",
                              "Calls that failed because the database was unavailable.")),
      timeouts(metrics.counter("memseal_db_timeouts_total", "Calls that passed their deadline.")),
      refused(metrics.counter("memseal_db_refused_total",
                              "Calls refused because too many were waiting.")),
      connects(metrics.counter("memseal_db_connects_total", "Connections opened.")),
      connections(metrics.gauge("memseal_db_connections", "Connections open now.")),
      in_flight(metrics.gauge("memseal_db_in_flight", "Calls running or waiting for a thread.")),
      search_s(seconds(metrics, "search")),
      store_s(seconds(metrics, "store")),
      keys_s(seconds(metrics, "keys")),
      rows_stored(metrics.counter("memseal_chunks_stored_total", "Chunks written.")),
      rows_colliding(
          metrics.counter("memseal_chunk_id_collisions_total",
                          "Chunks of new events that were not stored because their id existed.")) {}

PoolMetrics PostgresMetrics::pool(const std::string& name) const {
  return {all.gauge("memseal_db_pool_open", "Connections of a pool that are open.",
                    {{"pool", name}}),
          all.gauge("memseal_db_pool_busy", "Connections of a pool that a call uses now.",
                    {{"pool", name}}),
          all.gauge("memseal_db_pool_max", "Connections that a pool may open.", {{"pool", name}}),
          all.counter("memseal_db_pool_busy_seconds_total",
                      "Time that calls used connections of a pool, summed over the connections.",
                      {{"pool", name}})};
}

void PostgresMetrics::count_rls_error() {
  rls_errors.Increment();
  rls_policy_errors.Increment();
}

}  // namespace memseal::postgres

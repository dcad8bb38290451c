#pragma once
#include "runtime/metrics.hpp"

#include <string>

namespace memseal::postgres {

/// Of one Pool. The pools are told apart, because an idle one would hide that another is used up.
struct PoolMetrics {
  runtime::Gauge& open;    ///< memseal_db_pool_open: connections
  runtime::Gauge& busy;    ///< memseal_db_pool_busy: of these, on loan to a call
  runtime::Gauge& most;    ///< memseal_db_pool_max
  runtime::Counter& busy_s;  ///< memseal_db_pool_busy_seconds_total: sum over the connections
};

/// What the database adapters count. One per process.
/// Thread: any. Lifetime: it and its runtime::Metrics outlive the Pool.
struct PostgresMetrics {
  explicit PostgresMetrics(runtime::Metrics& metrics);

  /// The metrics of the pool of this name.
  PoolMetrics pool(const std::string& name) const;
  /// A statement that row-level security refused: SQLSTATE 42501.
  void count_rls_error();

  runtime::Metrics& all;
  runtime::Counter& rls_errors;          ///< memseal_rls_errors_total; must stay 0
  runtime::Counter& rls_policy_errors;   ///< memory_rls_policy_errors_total: the same number
  runtime::Gauge& isolation_findings;    ///< memseal_isolation_findings: of the last catalog lint
  runtime::Gauge& isolation_checked;     ///< memseal_isolation_checked_seconds: Unix time of it
  runtime::Gauge& erasures_heard;        ///< memseal_erasures_heard
  runtime::Gauge& backup_taken;          ///< memseal_backup_taken_seconds: Unix time of the newest
  runtime::Counter& outages;             ///< memseal_db_outages_total: database unavailable
  runtime::Counter& timeouts;            ///< memseal_db_timeouts_total
  runtime::Counter& refused;             ///< memseal_db_refused_total: too many were waiting
  runtime::Counter& connects;          ///< memseal_db_connects_total
  runtime::Gauge& connections;           ///< memseal_db_connections: open now
  runtime::Gauge& in_flight;             ///< memseal_db_in_flight: running or waiting for a thread
  runtime::Histogram& search_s;          ///< memseal_db_seconds{op="search"}: one nearest()
  runtime::Histogram& store_s;           ///< memseal_db_seconds{op="store"}: one transaction
  runtime::Histogram& keys_s;            ///< memseal_db_seconds{op="keys"}: one transaction on keys
  runtime::Counter& rows_stored;         ///< memseal_chunks_stored_total
  runtime::Counter& rows_colliding;      ///< memseal_chunk_id_collisions_total: chunks of new
                                         ///< events not stored, because their id existed
};

}  // namespace memseal::postgres

#pragma once
#include "runtime/metrics.hpp"

namespace memseal::postgres {

/// What the database adapters count. One per process.
/// Thread: any. Lifetime: it and its runtime::Metrics outlive the Pool.
struct PostgresMetrics {
  explicit PostgresMetrics(runtime::Metrics& metrics);

  runtime::Counter& rls_errors;          ///< memseal_rls_errors_total: SQLSTATE 42501; must stay 0
  runtime::Gauge& isolation_findings;    ///< memseal_isolation_findings: of the last catalog lint
  runtime::Gauge& isolation_checked;     ///< memseal_isolation_checked_seconds: Unix time of it
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

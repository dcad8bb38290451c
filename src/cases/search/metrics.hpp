#pragma once
// What searching tells the metrics.
#include "runtime/metrics.hpp"

namespace memseal::search {

/// References into Metrics, which must outlive them. One for the process. Thread: any.
struct SearchMetrics {
  explicit SearchMetrics(runtime::Metrics& metrics);

  runtime::Counter& plan_exact;   ///< memseal_search_plan_total{plan="exact"}: in the database
  runtime::Counter& plan_matrix;  ///< …{plan="matrix"}: in memory
  /// memseal_search_words_total{outcome=...}: questions whose words were compared, and those of
  /// users who have too many chunks and no copy.
  runtime::Counter& words_compared;
  runtime::Counter& words_left_out;
  runtime::Counter& chunks_without_terms;  ///< memseal_search_chunks_without_terms_total
  runtime::Counter& blocks_unopened;       ///< memseal_search_term_blocks_unopened_total
  runtime::Counter& hits;         ///< memseal_matrix_hits_total: the copy was that of the snapshot
  runtime::Counter& loads_full;   ///< memseal_matrix_loads_total{kind="full"}
  runtime::Counter& loads_delta;  ///< …{kind="delta"}: only the documents that changed
  runtime::Histogram& load_s;     ///< memseal_matrix_load_seconds
  /// memseal_matrix_evictions_total{cause=...}
  runtime::Counter& evicted_for_room;
  runtime::Counter& evicted_idle;
  runtime::Counter& evicted_erased;
  runtime::Counter& evicted_wrong;  ///< the database did not have what the copy has: a fault
  runtime::Gauge& bytes;            ///< memseal_matrix_bytes
  runtime::Gauge& tenants;          ///< memseal_matrix_tenants
};

}  // namespace memseal::search

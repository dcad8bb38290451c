#include "cases/search/metrics.hpp"

namespace memseal::search {

namespace {

runtime::Counter& plan(runtime::Metrics& metrics, const char* name) {
  return metrics.counter("memseal_search_plan_total",
                         "Questions by the plan that answered them: exact compares in the "
                         "database, matrix in memory.",
                         {{"plan", name}});
}

runtime::Counter& load(runtime::Metrics& metrics, const char* kind) {
  return metrics.counter("memseal_matrix_loads_total",
                         "Reads of users' vectors into memory: all of them, or those of the "
                         "documents that changed.",
                         {{"kind", kind}});
}

runtime::Counter& eviction(runtime::Metrics& metrics, const char* cause) {
  return metrics.counter("memseal_matrix_evictions_total",
                         "Copies of users' vectors that were dropped from memory. The cause "
                         "\"wrong\" must stay 0.",
                         {{"cause", cause}});
}

}  // namespace

SearchMetrics::SearchMetrics(runtime::Metrics& metrics)
    : plan_exact(plan(metrics, "exact")),
      plan_matrix(plan(metrics, "matrix")),
      hits(metrics.counter("memseal_matrix_hits_total",
                           "Questions whose user's vectors in memory were up to date.")),
      loads_full(load(metrics, "full")),
      loads_delta(load(metrics, "delta")),
      load_s(metrics.histogram("memseal_matrix_load_seconds",
                               "Time of reading a user's vectors into memory.",
                               runtime::latency_buckets_s())),
      evicted_for_room(eviction(metrics, "room")),
      evicted_idle(eviction(metrics, "idle")),
      evicted_erased(eviction(metrics, "erased")),
      evicted_wrong(eviction(metrics, "wrong")),
      bytes(metrics.gauge("memseal_matrix_bytes", "Bytes of users' vectors in memory.")),
      tenants(metrics.gauge("memseal_matrix_tenants", "Users whose vectors are in memory.")) {}

}  // namespace memseal::search

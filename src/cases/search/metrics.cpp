#include "cases/search/metrics.hpp"

namespace memseal::search {

namespace {

runtime::Counter& plan(runtime::Metrics& metrics, const char* name) {
  return metrics.counter("memseal_search_plan_total",
                         "Questions by the plan that answered them: exact compares in the "
                         "database, matrix in memory.",
                         {{"plan", name}});
}

runtime::Counter& words(runtime::Metrics& metrics, const char* outcome) {
  return metrics.counter("memseal_search_words_total",
                         "Questions whose words were compared too; left_out: those of users who "
                         "have many chunks and no copy in memory, so that vectors alone were.",
                         {{"outcome", outcome}});
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
      words_compared(words(metrics, "compared")),
      words_left_out(words(metrics, "left_out")),
      chunks_without_terms(metrics.counter(
          "memseal_search_chunks_without_terms_total",
          "Chunks read without terms, because they were stored without: vectors alone find them.")),
      blocks_unopened(metrics.counter(
          "memseal_search_term_blocks_unopened_total",
          "Sealed blocks of terms that did not open, so that their chunks were compared by vectors "
          "alone.")),
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

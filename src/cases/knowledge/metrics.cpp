#include "cases/knowledge/metrics.hpp"

namespace memseal::knowledge {

namespace {

runtime::Counter& taken(runtime::Metrics& metrics, const char* outcome) {
  return metrics.counter("memseal_files_taken_total",
                         "Uploads that ended: a new file, one that was there already, one whose "
                         "stored content was damaged and is whole again, or refused.",
                         {{"outcome", outcome}});
}

runtime::Counter& swept(runtime::Metrics& metrics, const char* kind) {
  return metrics.counter("memseal_files_swept_total",
                         "Objects of the file store that the sweep removed: of uploads that never "
                         "ended, or without a row.",
                         {{"kind", kind}});
}

}  // namespace

KnowledgeMetrics::KnowledgeMetrics(runtime::Metrics& metrics)
    : taken_new(taken(metrics, "new")),
      taken_twin(taken(metrics, "twin")),
      taken_repaired(taken(metrics, "repaired")),
      taken_refused(taken(metrics, "refused")),
      bytes_taken(
          metrics.counter("memseal_file_bytes_taken_total", "Bytes of files that clients sent.")),
      bytes_sent(metrics.counter("memseal_file_bytes_sent_total",
                                 "Bytes of files that were opened for clients.")),
      uploads_active(metrics.gauge("memseal_file_uploads_active", "Uploads that go on.")),
      downloads_active(
          metrics.gauge("memseal_file_downloads_active", "Contents that are being sent.")),
      damaged(metrics.counter("memseal_files_damaged_total",
                              "Stored files that were missing or did not open; must stay 0.")),
      swept_unfinished(swept(metrics, "unfinished")),
      swept_orphans(swept(metrics, "orphan")),
      sweep_failures(metrics.counter("memseal_file_sweep_failures_total",
                                     "Tenants whose objects a sweep could not judge.")) {}

}  // namespace memseal::knowledge

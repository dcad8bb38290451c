#pragma once
#include "runtime/metrics.hpp"

namespace memseal::knowledge {

/// What the files of users count. One per process. Thread: any.
struct KnowledgeMetrics {
  explicit KnowledgeMetrics(runtime::Metrics& metrics);

  runtime::Counter &taken_new, &taken_twin, &taken_repaired, &taken_refused;
  runtime::Counter &bytes_taken, &bytes_sent;
  runtime::Gauge &uploads_active, &downloads_active;
  runtime::Counter& damaged;
  runtime::Counter &swept_unfinished, &swept_orphans, &sweep_failures;
};

}  // namespace memseal::knowledge

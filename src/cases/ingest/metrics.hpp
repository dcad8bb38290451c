#pragma once
#include "base/ids.hpp"
#include "base/result.hpp"
#include "runtime/metrics.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>

namespace memseal::ingest {

enum class Outcome { ingested, duplicate, superseded, erased, dead_lettered };
enum class Stage { prepare, embed, seal, store, dead_letter };

/// The metrics of ingest, made once at start.
class IngestMetrics {
 public:
  explicit IngestMetrics(runtime::Metrics& metrics);

  /// `origin` is empty for an event that could not be read.
  runtime::Counter& events(std::optional<Origin> origin, Outcome outcome) {
    const auto row = origin ? static_cast<std::size_t>(*origin) : origins.size();
    return *events_[row][static_cast<std::size_t>(outcome)];
  }
  runtime::Histogram& stage(Stage stage) { return *stages_[static_cast<std::size_t>(stage)]; }
  /// Dead letters by reason: one counter per error code.
  runtime::Counter& dead_letters(Errc reason);

  runtime::Histogram& end_to_end_s;       ///< from the record's time to its commit in the database
  runtime::Counter& chunks;
  runtime::Counter& retries;              ///< attempts repeated because a dependency was away
  runtime::Counter& isolations;           ///< batches taken apart to find a poison event
  runtime::Counter& status_lost;          ///< status events the broker did not confirm
  runtime::Gauge& stalled;                ///< 1 while waiting for a dependency to come back

 private:
  runtime::Metrics& metrics_;
  std::array<std::array<runtime::Counter*, 5>, origins.size() + 1> events_{};
  std::array<runtime::Histogram*, 5> stages_{};
};

}  // namespace memseal::ingest

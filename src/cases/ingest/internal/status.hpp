#pragma once
#include "cases/ingest/internal/prepare.hpp"
#include "ports/event_sink.hpp"

namespace memseal::ingest {

/// What became of one event, for whoever published it.
struct Status {
  Outcome outcome = Outcome::ingested;
  Error why = {};                         ///< when dead-lettered
  std::int64_t duration_ms = 0;           ///< from being taken to being settled
  std::int64_t now_ms = 0;                ///< Unix time
  ports::SourcePlace place = {};          ///< of the record
};

/// A CloudEvent for the status channel: ids, counts, durations, an error code; no content, no user.
ports::OutRecord status_record(const Prepared& event, const Status& status);

/// Stable name, as in metrics.
std::string_view outcome_name(Outcome outcome) noexcept;

}  // namespace memseal::ingest

#pragma once
#include "base/ids.hpp"
#include "base/result.hpp"
#include "pure/producers/gate.hpp"
#include "pure/wire/event.hpp"
#include "runtime/metrics.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::ingest {

enum class Outcome { ingested, duplicate, superseded, erased, dead_lettered, ignored };
enum class Stage { prepare, look, fetch, embed, seal, store, dead_letter, status };
inline constexpr std::size_t stages = 8;

std::string_view stage_name(Stage stage) noexcept;

/// The metrics of ingest, made once at start.
class IngestMetrics {
 public:
  explicit IngestMetrics(runtime::Metrics& metrics);

  /// `origin` is empty for an event that could not be read.
  runtime::Counter& events(std::optional<Origin> origin, Outcome outcome) {
    const auto row = origin ? static_cast<std::size_t>(*origin) : origins.size();
    return *events_[row][static_cast<std::size_t>(outcome)];
  }
  runtime::Histogram& stage(Stage stage, bool succeeded) {
    return *stages_[static_cast<std::size_t>(stage)][succeeded ? 0 : 1];
  }
  /// Dead letters by reason: one counter per error code.
  runtime::Counter& dead_letters(Errc reason);
  /// Events whose producer was looked at.
  runtime::Counter& signatures(producers::Verdict verdict) {
    return *signatures_[static_cast<std::size_t>(verdict)];
  }
  /// What was changed in events or left out of them, so that the rest could be stored.
  void count(const wire::Adapted& adapted);
  /// Steps of `stage` that wait now, by the code of what they wait for.
  runtime::Gauge& stalled_steps(Stage stage, Errc cause);

  /// From the record's time to its commit in the database. `by_broker`: the record's time is the
  /// broker's clock; else the producer's, which may be wrong.
  runtime::Histogram& end_to_end_s(bool by_broker) { return *end_to_end_s_[by_broker ? 0 : 1]; }

  runtime::Counter& chunks;
  runtime::Counter& vectors_kept;  ///< of chunks that an edit of their document left as they were
  runtime::Counter& retries;      ///< attempts that were repeated
  runtime::Counter& over_budget;  ///< events beyond a budget, which wait like a backfill
  runtime::Counter& isolations;   ///< batches halved to find the event that fails
  runtime::Counter& status_lost;  ///< status events the broker refuses for good
  runtime::Gauge& status_waiting; ///< status events that no broker has confirmed yet
  runtime::Gauge& text_bytes;
  runtime::Gauge& stalled;        ///< 1 while a step waits for a dependency
  runtime::Gauge& brake;          ///< 1 while the brake holds
  runtime::Counter& brakes;       ///< times that the brake engaged

 private:
  runtime::Metrics& metrics_;
  std::array<std::array<runtime::Counter*, 6>, origins.size() + 1> events_{};
  std::array<runtime::Counter*, producers::verdicts.size()> signatures_{};
  std::array<runtime::Histogram*, 2> end_to_end_s_{};
  std::array<std::array<runtime::Histogram*, 2>, stages> stages_{};  // ok, failed
};

}  // namespace memseal::ingest

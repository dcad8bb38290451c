#include "cases/ingest/metrics.hpp"

namespace memseal::ingest {

namespace {

constexpr std::array<const char*, 6> outcome_names{"ingested", "duplicate",     "superseded",
                                                   "erased",   "dead_lettered", "ignored"};
constexpr std::array<const char*, stages> stage_names{
    "prepare", "look", "fetch", "embed", "seal", "store", "dead_letter", "status"};
constexpr std::array<const char*, 2> clock_names{"broker", "producer"};
constexpr std::array<const char*, 2> step_outcomes{"ok", "failed"};

const std::vector<double>& end_to_end_buckets_s() {
  static const std::vector<double> edges{0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.75, 1.5,
                                         3,    10,    30,   60,  300,  1'800, 7'200};
  return edges;
}

}  // namespace

std::string_view stage_name(Stage stage) noexcept {
  return stage_names[static_cast<std::size_t>(stage)];
}

IngestMetrics::IngestMetrics(runtime::Metrics& metrics)
    : chunks(metrics.counter("memseal_ingest_chunks_total", "Chunks stored.")),
      vectors_kept(metrics.counter("memseal_ingest_vectors_kept_total",
                                   "Chunks that an edit left as they were, and that were "
                                   "therefore not embedded again.")),
      retries(metrics.counter("memseal_ingest_retries_total",
                              "Steps repeated after a failure.")),
      over_budget(metrics.counter("memseal_ingest_over_budget_total",
                                  "Events of users who have no tokens left in this minute.")),
      isolations(metrics.counter("memseal_ingest_isolations_total",
                                 "Batches halved to find the event that fails.")),
      status_lost(metrics.counter("memseal_ingest_status_lost_total",
                                  "Status events that Kafka refuses for good.")),
      status_waiting(metrics.gauge("memseal_ingest_status_waiting",
                                   "Status events that Kafka has not confirmed yet.")),
      text_bytes(metrics.gauge("memseal_ingest_text_bytes",
                               "Bytes of the texts of files that uploads in work refer to.")),
      stalled(metrics.gauge("memseal_ingest_stalled",
                            "1 while ingest waits for a dependency.")),
      brake(metrics.gauge("memseal_ingest_brake",
                          "1 while ingest waits because it gave up too many events.")),
      brakes(metrics.counter("memseal_ingest_brakes_total",
                             "Times that the brake engaged: ingest gave up too many events.")),
      metrics_(metrics) {
  for (std::size_t row = 0; row < events_.size(); ++row) {
    const auto type = row < origins.size() ? origin_name(origins[row]) : "unknown";
    for (std::size_t outcome = 0; outcome < outcome_names.size(); ++outcome)
      events_[row][outcome] =
          &metrics.counter("memseal_ingest_events_total", "Events, by type and outcome.",
                           {{"type", std::string(type)}, {"outcome", outcome_names[outcome]}});
  }
  for (const auto verdict : producers::verdicts)
    signatures_[static_cast<std::size_t>(verdict)] = &metrics.counter(
        "memseal_ingest_signatures_total",
        "Events by what the check of their producer found; all but accepted are refused.",
        {{"verdict", std::string(producers::verdict_name(verdict))}});
  for (std::size_t clock = 0; clock < clock_names.size(); ++clock)
    end_to_end_s_[clock] = &metrics.histogram(
        "memseal_ingest_end_to_end_seconds",
        "From a record's time to its rows being committed, by the clock of that time.",
        end_to_end_buckets_s(), {{"clock", clock_names[clock]}});
  for (std::size_t stage = 0; stage < stage_names.size(); ++stage)
    for (std::size_t outcome = 0; outcome < step_outcomes.size(); ++outcome)
      stages_[stage][outcome] = &metrics.histogram(
          "memseal_ingest_stage_duration_seconds", "Time of one step of ingest, by its outcome.",
          runtime::latency_buckets_s(),
          {{"stage", stage_names[stage]}, {"outcome", step_outcomes[outcome]}});
}

runtime::Counter& IngestMetrics::dead_letters(Errc reason) {
  return metrics_.counter("memseal_dlq_records_total", "Dead letters, by reason.",
                          {{"reason", std::string(errc_name(reason))}});
}

void IngestMetrics::count(const wire::Adapted& adapted) {
  const std::pair<const char*, std::size_t> counts[] = {
      {"byte_order_mark", adapted.byte_order_marks},
      {"zero_byte", adapted.zero_bytes},
      {"lone_surrogate", adapted.lone_surrogates},
      {"silent_turn", adapted.silent_turns},
      {"other_part", adapted.other_parts}};
  for (const auto& [what, count] : counts)
    if (count > 0)
      metrics_.counter("memseal_ingest_adapted_total",
                       "What was changed in events or left out of them to store the rest.",
                       {{"what", what}})
          .Increment(static_cast<double>(count));
}

runtime::Gauge& IngestMetrics::stalled_steps(Stage stage, Errc cause) {
  return metrics_.gauge("memseal_ingest_stalled_steps",
                        "Steps that wait now, by stage and by the code of the cause.",
                        {{"stage", std::string(stage_name(stage))},
                         {"cause", std::string(errc_name(cause))}});
}

}  // namespace memseal::ingest

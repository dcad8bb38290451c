#include "cases/ingest/internal/status.hpp"

#include "cases/ingest/dead_letter.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json.hpp>

namespace memseal::ingest {

namespace json = boost::json;

std::string_view outcome_name(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::ingested: return "ingested";
    case Outcome::duplicate: return "duplicate";
    case Outcome::superseded: return "superseded";
    case Outcome::erased: return "erased";
    case Outcome::dead_lettered: return "dead_lettered";
    case Outcome::ignored: return "ignored";
  }
  return "";
}

ports::OutRecord status_record(const Prepared& event, const Status& status) {
  const bool failed = status.outcome == Outcome::dead_lettered;
  const auto operation = event.event_id.to_string();
  json::object data{{"operation_id", operation},
                    {"event_id", event.id},
                    {"event_source", event.source},
                    {"outcome", outcome_name(status.outcome)},
                    {"duration_ms", status.duration_ms}};
  if (event.document) {
    data["kind"] = origin_name(event.document->origin);
    const bool is_kept =
        status.outcome == Outcome::ingested || status.outcome == Outcome::duplicate;
    data["chunks"] = is_kept ? event.document->chunks.size() : 0;
    if (event.document->deletion) data["deletes"] = true;
  }
  if (failed) {
    data["error_code"] = errc_name(status.why.code);
    data["error_message"] = sentence_of(status.why);
    if (!status.why.field.empty()) data["error_field"] = status.why.field;
    // Where the event lay, for a producer whose event could not be read as far as its id.
    data["topic"] = status.place.topic;
    data["partition"] = status.place.partition;
    data["offset"] = status.place.offset;
  }
  const json::object envelope{
      {"specversion", "1.0"},
      {"id", operation + "/" + std::string(outcome_name(status.outcome))},
      {"source", "memseal"},
      {"type", failed ? "dev.memseal.memory.failed.v1" : "dev.memseal.memory.ingested.v1"},
      {"time", codec::format_rfc3339(status.now_ms)},
      {"datacontenttype", "application/json"},
      {"data", std::move(data)}};
  ports::OutRecord record{.channel = ports::Channel::status,
                          .key = operation,
                          .value = json::serialize(envelope),
                          .headers = {}};
  record.headers.emplace_back("content-type", "application/cloudevents+json");
  return record;
}

}  // namespace memseal::ingest

#include "adapters/postgres/internal/event_look.hpp"

#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/internal/replays.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace memseal::postgres {

namespace {

using ports::Stored;

// The condition on documents is the reverse of that in statement documents_enter (event_rows.cpp).
// from_ms is null for an event with a revision, 0 for one that counts by arrival (turns do, unless
// they are replayed), and else the time from which one is replayed. `later` is an upload that
// arrived after the event, or a deletion. It counts if it was applied: one that was itself outdated
// has left the document as it was.
constexpr Statement look{
    "events_look",
    "SELECT coalesce(t.state = 'erased', false), l.event_id IS NOT NULL, "
    "s.event_id IS NOT NULL OR coalesce(CASE WHEN u.from_ms IS NULL THEN "
    "(d.revision > u.revision AND d.kind <> 'chat' AND u.kind <> 'chat') "
    "OR (d.revision >= u.revision AND d.deleted_at IS NOT NULL "
    "AND (d.kind <> 'chat' OR u.kind = 'chat')) "
    "ELSE u.from_ms > 0 AND d.updated_at > to_timestamp(u.from_ms / 1000.0) END, false), "
    "coalesce(u.record_ms > 0 AND l.updated_at < to_timestamp(u.record_ms / 1000.0), false), "
    "d.deleted_at IS NULL AND coalesce(d.chunk_count, 0) > 0 "
    "FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::uuid[], "
    "$8::bigint[]) "
    "WITH ORDINALITY AS u(event_id, doc_id, revision, kind, from_ms, later, record_ms, place) "
    "LEFT JOIN app.tenants t ON t.user_hash = $1 "
    "LEFT JOIN app.ingest_events l ON l.user_hash = $1 AND l.event_id = u.event_id "
    "AND l.state = 'succeeded' "
    "LEFT JOIN app.ingest_events s ON s.user_hash = $1 AND s.event_id = u.later "
    "AND s.state = 'succeeded' AND s.error_code IS DISTINCT FROM 'superseded' "
    "LEFT JOIN app.documents d ON d.user_hash = $1 AND d.doc_id = u.doc_id COLLATE \"C\" "
    "ORDER BY u.place"};

std::optional<Stored> answer_of(const pqxx::row& row, ReplayVerdict verdict) {
  if (row[0].as<bool>()) return Stored::erased;
  if (row[1].as<bool>()) return row[3].as<bool>() ? Stored::sent_again : Stored::duplicate;
  if (row[2].as<bool>() || verdict == ReplayVerdict::outdated) return Stored::superseded;
  return std::nullopt;
}

/// What store() will find about each event that is published again; unknown for the others.
std::vector<ReplayVerdict> verdicts_of(TenantTx& tx, const std::vector<ports::EventKey>& events) {
  std::vector<Replay> replays;
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < events.size(); ++at) {
    const auto& event = events[at];
    if (!event.replayed || !event.source || event.origin == Origin::chat) continue;
    const auto& arrival = event.by_arrival;
    replays.push_back({event.doc_id.value(), &*event.source,
                       arrival ? std::nullopt : std::optional(event.revision),
                       arrival ? arrival->replayed_from_ms : 0});
    places.push_back(at);
  }
  const auto judged = judge_replays(tx, replays);
  std::vector<ReplayVerdict> verdicts(events.size(), ReplayVerdict::unknown);
  for (std::size_t i = 0; i < places.size(); ++i) verdicts[places[i]] = judged[i];
  return verdicts;
}

}  // namespace

std::vector<ports::Look> look_at_events(TenantTx& tx, const std::vector<ports::EventKey>& events) {
  ArrayBuilder event_id(oid::uuid), doc_id(oid::text), revision(oid::int8), kind(oid::text),
      from_ms(oid::int8), later(oid::uuid), record_ms(oid::int8);
  const auto verdicts = verdicts_of(tx, events);
  for (std::size_t at = 0; at < events.size(); ++at) {
    const auto& event = events[at];
    event_id.add(event.event_id);
    doc_id.add(std::string_view(event.doc_id.value()));
    revision.add(event.revision);
    kind.add(origin_name(event.origin));
    const auto& arrival = event.by_arrival;
    const bool is_by_time = verdicts[at] == ReplayVerdict::unknown;
    const bool by_arriving =
        event.origin == Origin::chat && (event.deletes || !event.replayed) && !arrival;
    if (arrival)
      from_ms.add(is_by_time ? arrival->replayed_from_ms : std::int64_t(0));
    else
      by_arriving ? from_ms.add(std::int64_t(0)) : from_ms.add_null();
    arrival && arrival->superseded_by ? later.add(*arrival->superseded_by) : later.add_null();
    record_ms.add(std::clamp(event.record_ms, std::int64_t(0), time_ms_max));
  }
  const auto rows =
      tx.exec(look, pqxx::params{tx.user_hash(), binary(event_id.bytes()), binary(doc_id.bytes()),
                                 binary(revision.bytes()), binary(kind.bytes()),
                                 binary(from_ms.bytes()), binary(later.bytes()),
                                 binary(record_ms.bytes())});
  std::vector<ports::Look> answers;
  MEMSEAL_ASSERT(static_cast<std::size_t>(rows.size()) == events.size());
  for (const auto& row : rows)
    answers.push_back({answer_of(row, verdicts[answers.size()]), row[4].as<bool>()});
  return answers;
}

std::vector<Statement> look_statements() {
  return {look};
}

}  // namespace memseal::postgres

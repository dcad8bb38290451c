#include "adapters/postgres/internal/replays.hpp"

#include "adapters/postgres/internal/binary.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"

#include <algorithm>

namespace memseal::postgres {

namespace {

// Offsets begin at 0 where a topic was deleted and created again. Then the offset of the document's
// last event may be the greater one, although that event is older: it was stored long before this
// one was new. A day, because a producer's clock may be that far ahead (check_time() of ingest).
// Both times are now() of one transaction. They differ where another program wrote the document
// since, which keeps no written_by: the previous release, beside this one.
constexpr Statement judge{
    "replays_judge",
    "SELECT p.place, w.source_offset > p.at AND (p.revision IS NULL OR p.revision = d.revision "
    "OR d.deleted_at IS NOT NULL) "
    "FROM unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[]) "
    "WITH ORDINALITY AS p(doc_id, topic, part, at, revision, from_ms, place) "
    "JOIN app.documents d ON d.user_hash = $1 AND d.doc_id = p.doc_id COLLATE \"C\" "
    "JOIN app.ingest_events w ON w.user_hash = $1 AND w.event_id = d.written_by "
    "WHERE d.updated_at = w.updated_at AND w.source_topic = p.topic COLLATE \"C\" "
    "AND w.source_partition = p.part "
    "AND w.updated_at >= to_timestamp(p.from_ms / 1000.0) - interval '1 day' "
    "ORDER BY d.doc_id"};

// A statement of its own, because one that waits for a lock reads the locked row again but the rows
// that it is joined with as they were.
constexpr Statement lock_documents{
    "replays_lock",
    "SELECT FROM app.documents WHERE user_hash = (SELECT app.tenant()) "
    "AND doc_id = ANY ($1::text[]) ORDER BY doc_id FOR UPDATE"};

}  // namespace

std::vector<ReplayVerdict> judge_replays(TenantTx& tx, const std::vector<Replay>& replays) {
  std::vector<ReplayVerdict> verdicts(replays.size(), ReplayVerdict::unknown);
  if (replays.empty()) return verdicts;
  ArrayBuilder doc_id(oid::text), topic(oid::text), partition(oid::int4), offset(oid::int8),
      revision(oid::int8), from_ms(oid::int8);
  for (const auto& replay : replays) {
    doc_id.add(replay.doc_id);
    topic.add(std::string_view(replay.source->topic));
    partition.add(replay.source->partition);
    offset.add(replay.source->offset);
    replay.revision ? revision.add(*replay.revision) : revision.add_null();
    from_ms.add(std::clamp(replay.from_ms, std::int64_t(0), time_ms_max));
  }
  tx.exec(lock_documents, pqxx::params{binary(doc_id.bytes())});
  const auto rows = tx.exec(judge,
                            pqxx::params{tx.user_hash(), binary(doc_id.bytes()),
                                         binary(topic.bytes()), binary(partition.bytes()),
                                         binary(offset.bytes()), binary(revision.bytes()),
                                         binary(from_ms.bytes())});
  for (const auto& row : rows)
    verdicts.at(row[0].as<std::size_t>() - 1) =
        row[1].as<bool>() ? ReplayVerdict::outdated : ReplayVerdict::latest;
  return verdicts;
}

Indices take_outdated(TenantTx& tx, std::span<const ports::EventWrite> writes, const Places& places,
                      Indices& fresh, std::set<std::size_t>& latest) {
  std::vector<Replay> replays;
  Indices judged;
  for (const auto at : fresh) {
    const auto& write = writes[at];
    const auto first = places.find(write.event_id.to_string());
    if (write.origin == Origin::chat || first == places.end()) continue;
    if (!write.replayed && write.source == first->second) continue;
    const auto& arrival = write.by_arrival;
    replays.push_back({write.doc_id.value(), &first->second,
                       arrival ? std::nullopt : std::optional(write.revision),
                       arrival ? arrival->replayed_from_ms : 0});
    judged.push_back(at);
  }
  const auto verdicts = judge_replays(tx, replays);
  Indices outdated;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (verdicts[i] == ReplayVerdict::latest) latest.insert(judged[i]);
    if (verdicts[i] == ReplayVerdict::outdated) outdated.push_back(judged[i]);
  }
  std::erase_if(fresh, [&](std::size_t at) {
    return std::find(outdated.begin(), outdated.end(), at) != outdated.end();
  });
  return outdated;
}

std::vector<Statement> replay_statements() {
  return {judge, lock_documents};
}

}  // namespace memseal::postgres

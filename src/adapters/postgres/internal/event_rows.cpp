#include "adapters/postgres/internal/event_rows.hpp"

#include "adapters/postgres/internal/chunk_rows.hpp"
#include "adapters/postgres/internal/deletions.hpp"
#include "adapters/postgres/internal/event_look.hpp"
#include "adapters/postgres/internal/replays.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "adapters/postgres/internal/tenant_rows.hpp"
#include "adapters/postgres/internal/term_rows.hpp"
#include "base/assert.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string_view>

namespace memseal::postgres {

namespace {

using ports::EventWrite;
using ports::Stored;

// Every statement names its tenant, so that row-level security is the second barrier, not the only
// one. Rows are locked in the order of their keys, so that two transactions of one tenant wait for
// each other and do not deadlock.
// The ledger keeps the place that it got first: an event that is published again has another one.
// An event that succeeded before matches no row of the update and is not returned, so it is a
// duplicate. Of two transactions with the same event the second waits for the first, and then sees
// its outcome.
constexpr Statement ledger{
    "ledger_enter",
    "INSERT INTO app.ingest_events AS l (user_hash, event_id, kind, doc_id, state, chunks, "
    "source_topic, source_partition, source_offset) "
    "SELECT $1, u.event_id, u.kind, u.doc_id, 'succeeded', u.chunks, u.topic, u.part, u.at "
    "FROM unnest($2::uuid[], $3::text[], $4::text[], $5::int[], $6::text[], $7::int[], "
    "$8::bigint[]) AS u(event_id, kind, doc_id, chunks, topic, part, at) ORDER BY u.event_id "
    "ON CONFLICT (user_hash, event_id) DO UPDATE SET kind = excluded.kind, "
    "doc_id = excluded.doc_id, state = 'succeeded', error_code = NULL, "
    "chunks = excluded.chunks, updated_at = now(), "
    "source_topic = coalesce(l.source_topic, excluded.source_topic), "
    "source_partition = CASE WHEN l.source_topic IS NULL THEN excluded.source_partition "
    "ELSE l.source_partition END, "
    "source_offset = CASE WHEN l.source_topic IS NULL THEN excluded.source_offset "
    "ELSE l.source_offset END WHERE l.state IN ('queued', 'failed') "
    "RETURNING l.event_id, l.source_topic, l.source_partition, l.source_offset"};

// A superseded event stays succeeded, without chunks, so that its repetition is a duplicate.
constexpr Statement ledger_superseded{
    "ledger_superseded",
    "UPDATE app.ingest_events SET chunks = 0, error_code = 'superseded' "
    "WHERE user_hash = (SELECT app.tenant()) AND event_id = ANY ($1::uuid[])"};

// ON CONFLICT locks the row that it updates, so its xmax is set; a row that was inserted has 0.
// $7 are the documents whose event has no revision, and the conversations: it wins by arriving
// later. $8 with $9 are those
// whose event is sent again, and whose place cannot decide: it wins unless the document was written
// after the first time ($9). Turns of a conversation replace nothing, so they have no written_by.
// Otherwise only a newer revision replaces a tombstone of its own kind.
constexpr Statement documents{
    "documents_enter",
    "INSERT INTO app.documents AS d (user_hash, doc_id, revision, kind, name_cipher, chunk_count, "
    "written_by) SELECT $1, u.doc_id, u.revision, u.kind, u.name_cipher, u.chunks, u.written_by "
    "FROM unnest($2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::int[], $10::uuid[]) "
    "AS u(doc_id, revision, kind, name_cipher, chunks, written_by) ORDER BY u.doc_id COLLATE \"C\" "
    "ON CONFLICT (user_hash, doc_id) DO UPDATE SET kind = excluded.kind, state = 'ready', "
    "revision = CASE WHEN d.kind = 'chat' AND excluded.kind = 'chat' "
    "THEN greatest(d.revision, excluded.revision) "
    "WHEN excluded.kind <> 'chat' "
    "AND (d.doc_id = ANY ($7::text[]) OR d.doc_id = ANY ($8::text[])) THEN d.revision + 1 "
    "ELSE excluded.revision END, "
    "name_cipher = coalesce(excluded.name_cipher, d.name_cipher), "
    "chunk_count = CASE WHEN excluded.kind = 'chat' AND d.deleted_at IS NULL "
    "THEN d.chunk_count + excluded.chunk_count ELSE excluded.chunk_count END, "
    "written_by = coalesce(excluded.written_by, d.written_by), "
    "updated_at = now(), deleted_at = NULL "
    "WHERE d.doc_id = ANY ($7::text[]) "
    "OR EXISTS (SELECT FROM unnest($8::text[], $9::bigint[]) AS r(doc_id, from_ms) "
    "WHERE r.doc_id = d.doc_id AND d.updated_at <= to_timestamp(r.from_ms / 1000.0)) "
    "OR (d.doc_id <> ALL ($8::text[]) AND (d.revision < excluded.revision "
    "OR (d.kind = 'chat' AND excluded.kind <> 'chat'))) "
    "OR (d.doc_id <> ALL ($8::text[]) AND d.deleted_at IS NULL "
    "AND (d.revision = excluded.revision OR d.kind = 'chat' OR excluded.kind = 'chat')) "
    "RETURNING d.doc_id, (d.xmax <> 0) AS existed"};

// A document that replaces leaves the messages of a conversation with the same id.
constexpr Statement chunks_replace{
    "chunks_replace",
    "DELETE FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) "
    "AND doc_id = ANY ($1::text[]) AND source <> 'chat'"};

// The version moves here, because every change of chunks ends with this statement: what inserts has
// sealed, and what only deletes changes the count. Copies of the vectors in memory depend on it.
constexpr Statement count_chunks{
    "tenant_count",
    "UPDATE app.tenants SET chunk_count = chunk_count + $1::bigint, seals = seals + $2::bigint, "
    "version = version + 1 "
    "WHERE user_hash = (SELECT app.tenant())"};

/// Number of seals in `writes`. Each took a nonce, also where its event turns out a duplicate.
std::int64_t seals_in(std::span<const EventWrite> writes) {
  std::int64_t seals = 0;
  for (const auto& write : writes) {
    seals += !write.document_name_cipher.empty();
    seals += static_cast<std::int64_t>(write.terms.size());
    for (const auto& chunk : write.chunks)
      seals += 1 + !chunk.meta_cipher().empty();
  }
  return seals;
}

/// What one statement writes for one document: one replacing write, or all appending writes.
struct DocumentEntry {
  std::int64_t revision = 0;
  Origin origin = Origin::upload;
  const Bytes* name_cipher = nullptr;
  std::size_t chunks = 0;
  std::optional<ports::ByArrival> by_arrival = {};
  std::optional<Uuid> written_by = {};
};

using Documents = std::map<std::string_view, DocumentEntry>;

/// Inserts `candidates` into the ledger. Returns those that the ledger did not have as succeeded,
/// and in `places` where each lay first.
Indices enter_ledger(TenantTx& tx, std::span<const EventWrite> writes, const Indices& candidates,
                     Places& places) {
  ArrayBuilder event_id(oid::uuid), kind(oid::text), doc_id(oid::text), chunks(oid::int4),
      topic(oid::text), partition(oid::int4), offset(oid::int8);
  for (const auto at : candidates) {
    const auto& source = writes[at].source;
    source ? topic.add(std::string_view(source->topic)) : topic.add_null();
    source ? partition.add(source->partition) : partition.add_null();
    source ? offset.add(source->offset) : offset.add_null();
    event_id.add(writes[at].event_id);
    kind.add(origin_name(writes[at].origin));
    doc_id.add(std::string_view(writes[at].doc_id.value()));
    chunks.add(static_cast<std::int32_t>(writes[at].chunks.size()));
  }
  const auto entered =
      tx.exec(ledger, pqxx::params{tx.user_hash(), binary(event_id.bytes()), binary(kind.bytes()),
                                   binary(doc_id.bytes()), binary(chunks.bytes()),
                                   binary(topic.bytes()), binary(partition.bytes()),
                                   binary(offset.bytes())});
  std::set<std::string_view> known;
  for (const auto& row : entered) {
    known.insert(row[0].view());
    if (row[1].is_null()) continue;
    places[row[0].c_str()] = {row[1].c_str(), row[2].as<std::int32_t>(), row[3].as<std::int64_t>()};
  }
  Indices fresh;
  for (const auto at : candidates) {
    if (known.contains(writes[at].event_id.to_string())) fresh.push_back(at);
  }
  return fresh;
}

void mark_superseded(TenantTx& tx, std::span<const EventWrite> writes, const Indices& superseded) {
  ArrayBuilder event_id(oid::uuid);
  for (const auto at : superseded) event_id.add(writes[at].event_id);
  tx.exec(ledger_superseded, pqxx::params{binary(event_id.bytes())});
}

Documents documents_of(std::span<const EventWrite> writes, const Indices& fresh,
                       const std::set<std::size_t>& latest) {
  Documents entries;
  for (const auto at : fresh) {
    const auto& write = writes[at];
    const auto [found, is_new] = entries.try_emplace(write.doc_id.value());
    auto& entry = found->second;
    entry.revision = is_new ? write.revision : std::max(entry.revision, write.revision);
    entry.origin = write.origin;
    entry.by_arrival = write.by_arrival;
    if (appends(write) && !write.replayed) entry.by_arrival.emplace();
    // The place has decided, so the times do not.
    if (entry.by_arrival && latest.contains(at)) entry.by_arrival->replayed_from_ms = 0;
    if (!appends(write)) entry.written_by = write.event_id;
    if (!write.document_name_cipher.empty()) entry.name_cipher = &write.document_name_cipher;
    entry.chunks += write.chunks.size();
  }
  return entries;
}

/// Inserts or updates documents. Returns those that changed, each with whether it existed before.
std::map<std::string, bool, std::less<>> enter_documents(TenantTx& tx, const Documents& entries) {
  ArrayBuilder doc_id(oid::text), revision(oid::int8), kind(oid::text), name(oid::bytea),
      chunks(oid::int4), arriving(oid::text), replayed(oid::text), from_ms(oid::int8),
      written_by(oid::uuid);
  for (const auto& [id, entry] : entries) {
    if (entry.by_arrival && entry.by_arrival->replayed_from_ms == 0) arriving.add(id);
    if (entry.by_arrival && entry.by_arrival->replayed_from_ms != 0) {
      replayed.add(id);
      from_ms.add(entry.by_arrival->replayed_from_ms);
    }
    doc_id.add(id);
    revision.add(entry.revision);
    kind.add(origin_name(entry.origin));
    entry.name_cipher ? name.add(ByteView(*entry.name_cipher)) : name.add_null();
    chunks.add(static_cast<std::int32_t>(entry.chunks));
    entry.written_by ? written_by.add(*entry.written_by) : written_by.add_null();
  }
  const auto rows = tx.exec(
      documents, pqxx::params{tx.user_hash(), binary(doc_id.bytes()), binary(revision.bytes()),
                              binary(kind.bytes()), binary(name.bytes()), binary(chunks.bytes()),
                              binary(arriving.bytes()), binary(replayed.bytes()),
                              binary(from_ms.bytes()), binary(written_by.bytes())});
  std::map<std::string, bool, std::less<>> entered;
  for (const auto& row : rows) entered.emplace(row[0].c_str(), row[1].as<bool>());
  return entered;
}

/// Writes one run: events of which no two replace the same document.
class WriteRun {
 public:
  WriteRun(TenantTx& tx, std::span<const EventWrite> writes, std::span<Stored> answers,
           StoreResult& result)
      : tx_(tx), writes_(writes), answers_(answers), result_(result) {}

  /// Returns the change of the tenant's chunk count.
  std::int64_t store(const Indices& candidates) {
    Places places;
    std::set<std::size_t> latest;
    auto fresh = enter_ledger(tx_, writes_, candidates, places);
    auto superseded = take_outdated(tx_, writes_, places, fresh, latest);
    const auto deleted = take_deletions(fresh, latest, superseded);
    for (const auto at : superseded) answers_[at] = Stored::superseded;
    if (!superseded.empty() && fresh.empty()) mark_superseded(tx_, writes_, superseded);
    if (fresh.empty()) return -deleted;
    const auto entered = enter_documents(tx_, documents_of(writes_, fresh, latest));
    Indices applied;
    ArrayBuilder replaced(oid::text);
    for (const auto at : fresh) {
      const auto& write = writes_[at];
      const auto found = entered.find(write.doc_id.value());
      if (found == entered.end()) {
        answers_[at] = Stored::superseded;
        superseded.push_back(at);
        continue;
      }
      answers_[at] = Stored::applied;
      applied.push_back(at);
      // A new document has no chunks to delete, which saves a statement in the common case.
      if (found->second && !appends(write)) replaced.add(std::string_view(write.doc_id.value()));
    }
    if (!superseded.empty()) mark_superseded(tx_, writes_, superseded);
    std::int64_t change = -deleted;
    if (replaced.size() > 0) {
      change -= tx_.exec(chunks_replace, pqxx::params{binary(replaced.bytes())}).affected_rows();
    }
    return change + insert(applied);
  }

 private:
  /// Applies the deletions among `fresh`, and takes them out. Returns how many chunks are gone.
  std::int64_t take_deletions(Indices& fresh, const std::set<std::size_t>& latest,
                              Indices& superseded) {
    std::int64_t deleted = 0;
    for (const auto at : fresh) {
      if (!writes_[at].deletion) continue;
      const auto count = apply_deletion(tx_, writes_[at], latest.contains(at));
      answers_[at] = count ? Stored::applied : Stored::superseded;
      if (!count) superseded.push_back(at);
      deleted += count.value_or(0);
    }
    std::erase_if(fresh, [&](std::size_t at) { return writes_[at].deletion.has_value(); });
    return deleted;
  }

  std::int64_t insert(const Indices& applied) {
    std::vector<const crypto::SealedChunk*> chunks;
    std::vector<const crypto::SealedTerms*> terms;
    for (const auto at : applied) {
      for (const auto& block : writes_[at].terms) terms.push_back(&block);
      for (const auto& chunk : writes_[at].chunks) {
        // The sealed text is bound to its document, so a row under another id could never be
        // opened.
        MEMSEAL_ASSERT(chunk.header().doc_id == writes_[at].doc_id);
        chunks.push_back(&chunk);
      }
    }
    const std::size_t inserted = insert_chunks(tx_, chunks);
    insert_terms(tx_, terms);
    result_.rows_stored += inserted;
    result_.rows_colliding += chunks.size() - inserted;
    return static_cast<std::int64_t>(inserted);
  }

  TenantTx& tx_;
  std::span<const EventWrite> writes_;
  std::span<Stored> answers_;
  StoreResult& result_;
};

/// Answers for the writes that are expected to be superseded. Those that are enter the ledger.
void enter_superseded(TenantTx& tx, std::span<const EventWrite> writes, std::span<Stored> answers) {
  std::vector<ports::EventKey> keys;
  Indices places;
  std::set<Uuid> seen;
  for (std::size_t at = 0; at < writes.size(); ++at) {
    const auto& write = writes[at];
    if (!write.expect_superseded || !seen.insert(write.event_id).second) continue;
    MEMSEAL_ASSERT(write.chunks.empty());
    keys.push_back({.event_id = write.event_id,
                    .origin = write.origin,
                    .doc_id = write.doc_id,
                    .revision = write.revision,
                    .by_arrival = write.by_arrival,
                    .source = write.source,
                    .replayed = write.replayed,
                    .deletes = write.deletion.has_value()});
    places.push_back(at);
  }
  if (keys.empty()) return;
  // No lock is needed between the two statements, because a superseded event stays superseded.
  const auto found = look_at_events(tx, keys);
  Indices superseded;
  for (std::size_t i = 0; i < places.size(); ++i) {
    answers[places[i]] = found[i].answer.value_or(Stored::current);
    if (found[i].answer == Stored::superseded) superseded.push_back(places[i]);
  }
  if (superseded.empty()) return;
  Places first_places;
  enter_ledger(tx, writes, superseded, first_places);
  mark_superseded(tx, writes, superseded);
}

/// Splits `writes` where one statement would write a document twice, unless both writes append.
/// Drops the second mention of an event, and what is expected to be superseded.
std::vector<Indices> write_runs_of(std::span<const EventWrite> writes) {
  std::vector<Indices> runs;
  std::set<Uuid> seen;
  std::map<std::string_view, bool> documents_here;  // whether its writes append
  for (std::size_t at = 0; at < writes.size(); ++at) {
    const auto& write = writes[at];
    if (write.expect_superseded || !seen.insert(write.event_id).second) continue;
    const auto [entry, is_new] = documents_here.try_emplace(write.doc_id.value(), appends(write));
    if (runs.empty() || (!is_new && !(entry->second && appends(write)))) {
      runs.emplace_back();
      documents_here.clear();
      documents_here.emplace(write.doc_id.value(), appends(write));
    }
    runs.back().push_back(at);
  }
  return runs;
}

}  // namespace

StoreResult store_events(TenantTx& tx, const std::vector<EventWrite>& writes) {
  StoreResult result;
  // The lock stands before the first write: an erasure either waits for this transaction or makes
  // it find the tombstone.
  if (!lock_tenant_row(tx)) {
    result.answers.assign(writes.size(), Stored::erased);
    return result;
  }
  result.answers.assign(writes.size(), Stored::duplicate);
  WriteRun run(tx, writes, result.answers, result);
  std::int64_t change = 0;
  for (const auto& candidates : write_runs_of(writes)) change += run.store(candidates);
  enter_superseded(tx, writes, result.answers);
  const auto seals = seals_in(writes);
  if (change != 0 || seals != 0) tx.exec(count_chunks, pqxx::params{change, seals});
  return result;
}

std::vector<Statement> event_statements() {
  return {ledger, ledger_superseded, documents, chunks_replace, count_chunks};
}

}  // namespace memseal::postgres

#include "adapters/postgres/chunk_store.hpp"

#include "adapters/postgres/internal/event_look.hpp"
#include "adapters/postgres/internal/event_rows.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "adapters/postgres/internal/stored_vectors.hpp"
#include "adapters/postgres/internal/tenant_rows.hpp"
#include "adapters/postgres/internal/turn_look.hpp"
#include "runtime/observe.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

// A failure never hides a success: a repetition of the event may fail after the event was stored.
constexpr Statement fail_event{
    "event_fail",
    "INSERT INTO app.ingest_events AS l (user_hash, event_id, kind, doc_id, state, error_code) "
    "VALUES ($1, $2, $3, $4, 'failed', $5) ON CONFLICT (user_hash, event_id) DO UPDATE "
    "SET state = 'failed', error_code = excluded.error_code, updated_at = now() "
    "WHERE l.state <> 'succeeded'"};

// The first place stays: the letter of an event that is published again and refused again still
// knows where the event was new.
constexpr Statement place_event{
    "event_place",
    "UPDATE app.ingest_events SET source_topic = $3, source_partition = $4, source_offset = $5 "
    "WHERE user_hash = $1 AND event_id = $2 AND source_topic IS NULL"};

}  // namespace

// A session that could write: what a standby, or a primary that lost its place, holds as stored may
// be unknown to the database that store() would write to.
asio::awaitable<std::vector<ports::Look>> PgChunkStore::look(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<ports::EventKey> events) {
  if (events.empty()) co_return std::vector<ports::Look>();
  auto work = [events = std::move(events)](TenantTx& tx) { return look_at_events(tx, events); };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::vector<std::vector<ports::Embedding>>> PgChunkStore::stored_vectors(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<ports::VectorsKey> keys) {
  if (keys.empty()) co_return std::vector<std::vector<ports::Embedding>>();
  auto work = [keys = std::move(keys)](TenantTx& tx) { return read_stored_vectors(tx, keys); };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::vector<ports::TurnsLook>> PgChunkStore::look_at_turns(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<ports::TurnsKey> keys) {
  if (keys.empty()) co_return std::vector<ports::TurnsLook>();
  auto work = [keys = std::move(keys)](TenantTx& tx) { return look_at_stored_turns(tx, keys); };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::vector<ports::Stored>> PgChunkStore::store(
    runtime::RequestContext context, crypto::Tenant owner, std::vector<ports::EventWrite> writes) {
  if (writes.empty()) co_return std::vector<ports::Stored>();
  const auto start = runtime::Clock::now();
  auto work = [writes = std::move(writes)](TenantTx& tx) { return store_events(tx, writes); };
  auto result =
      co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
  // Counted after the commit, because a transaction that was rolled back stored nothing.
  auto& metrics = pool_.metrics();
  runtime::observe_since(metrics.store_s, start);
  metrics.rows_stored.Increment(static_cast<double>(result.rows_stored));
  metrics.rows_colliding.Increment(static_cast<double>(result.rows_colliding));
  co_return std::move(result.answers);
}

asio::awaitable<void> PgChunkStore::rehearse(runtime::RequestContext context, crypto::Tenant owner,
                                             std::vector<ports::EventWrite> writes) {
  auto work = [writes = std::move(writes)](TenantTx& tx) {
    const auto result = store_events(tx, writes);
    const bool applied = std::all_of(result.answers.begin(), result.answers.end(),
                                     [](auto answer) { return answer == ports::Stored::applied; });
    // Otherwise no row was written, and the rehearsal has shown nothing.
    if (!applied) throw Outage({Errc::unavailable, "database: the rehearsal was not applied"});
    tx.end_by_rollback();
    return Done{};
  };
  co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<void> PgChunkStore::store_failure(runtime::RequestContext context,
                                                  crypto::Tenant owner, Uuid event_id,
                                                  Origin origin, std::optional<DocId> doc_id,
                                                  Errc code,
                                                  std::optional<ports::SourcePlace> source) {
  auto work = [event_id, origin, doc_id = std::move(doc_id), code,
               source = std::move(source)](TenantTx& tx) {
    // An erased tenant gets no new rows, not even of a failure.
    if (lock_tenant_row(tx)) {
      tx.exec(fail_event, pqxx::params{tx.user_hash(), event_id.to_string(), origin_name(origin),
                                       doc_id ? doc_id->value() : std::string(),
                                       std::string(errc_name(code))});
      if (source)
        tx.exec(place_event, pqxx::params{tx.user_hash(), event_id.to_string(), source->topic,
                                          source->partition, source->offset});
    }
    return Done{};
  };
  co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

std::vector<Statement> store_statements() {
  return {fail_event, place_event};
}

}  // namespace memseal::postgres

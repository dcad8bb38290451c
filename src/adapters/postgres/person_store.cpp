#include "adapters/postgres/person_store.hpp"

#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "base/assert.hpp"
#include "pure/codec/hex.hpp"

#include <algorithm>
#include <utility>

namespace memseal::postgres {

namespace {

// Every statement names its tenant, so that row-level security is the second barrier, not the only
// one.
#define MEMSEAL_MINE "user_hash = (SELECT app.tenant())"

// An SB1 blob is 33 bytes longer than its text.
constexpr Statement look_person{
    "person_look",
    "SELECT t.user_hash IS NOT NULL, (extract(epoch FROM t.erased_at) * 1000)::bigint, "
    "c.documents, c.conversations, c.chunks, c.text_bytes, f.files, f.bytes "
    "FROM (SELECT count(DISTINCT m.doc_id) FILTER (WHERE m.source <> 'chat') AS documents, "
    "count(DISTINCT m.doc_id) FILTER (WHERE m.source = 'chat') AS conversations, "
    "count(*) AS chunks, "
    "coalesce(sum(octet_length(m.text_cipher) - 33), 0)::bigint AS text_bytes "
    "FROM app.memory_chunks m WHERE m." MEMSEAL_MINE
    " AND (m.expires_at IS NULL OR m.expires_at > now())) c "
    "CROSS JOIN (SELECT count(*) AS files, coalesce(sum(x.bytes), 0)::bigint AS bytes "
    "FROM app.files x WHERE x." MEMSEAL_MINE ") f "
    "LEFT JOIN app.tenants t ON t." MEMSEAL_MINE};

// Two erasers of one tenant go one behind the other. Otherwise the DELETE of one would wait for the
// rows that the other one deletes, delete none of them, and look as if none were left.
constexpr Statement lock_erasers{
    "person_erasers",
    "SELECT pg_advisory_xact_lock(hashtextextended('memseal.erasure:' || (SELECT app.tenant()), "
    "0))"};
// A user without a row gets a tombstone too, because an event of that user may still lie in Kafka.
constexpr Statement make_row{
    "person_make", "INSERT INTO app.tenants (user_hash) VALUES ($1) ON CONFLICT DO NOTHING"};
// The lock waits for every transaction that holds lock_tenant_row(). After it no row of this tenant
// can appear behind the deletes. The policy hides a tombstone from every lock and change.
constexpr Statement lock_row{
    "person_lock", "SELECT state FROM app.tenants WHERE " MEMSEAL_MINE " FOR UPDATE"};
// Counts while the rows are there. The version moves, because copies of the vectors depend on it.
constexpr Statement set_tombstone{
    "person_bury",
    "UPDATE app.tenants SET state = 'erased', chunk_count = 0, file_count = 0, file_bytes = 0, "
    "erased_at = now(), version = version + 1, erased_counts = (SELECT jsonb_build_object("
    "'documents', count(DISTINCT m.doc_id) FILTER (WHERE m.source <> 'chat'), "
    "'conversations', count(DISTINCT m.doc_id) FILTER (WHERE m.source = 'chat'), "
    "'chunks', count(*), "
    "'operations', (SELECT count(*) FROM app.ingest_events e WHERE e." MEMSEAL_MINE "), "
    "'keys', (SELECT count(*) FROM app.tenant_keys k WHERE k." MEMSEAL_MINE "), "
    "'files', (SELECT count(*) FROM app.files f WHERE f." MEMSEAL_MINE "), "
    "'file_bytes', (SELECT coalesce(sum(f.bytes), 0) FROM app.files f WHERE f." MEMSEAL_MINE ")) "
    "FROM app.memory_chunks m WHERE m." MEMSEAL_MINE ") WHERE " MEMSEAL_MINE};
constexpr Statement read_tombstone{
    "person_tombstone",
    "SELECT (extract(epoch FROM erased_at) * 1000)::bigint, "
    "coalesce((erased_counts->>'documents')::bigint, 0), "
    "coalesce((erased_counts->>'conversations')::bigint, 0), "
    "coalesce((erased_counts->>'chunks')::bigint, 0), "
    "coalesce((erased_counts->>'operations')::bigint, 0), "
    "coalesce((erased_counts->>'keys')::bigint, 0), "
    "coalesce((erased_counts->>'files')::bigint, 0), "
    "coalesce((erased_counts->>'file_bytes')::bigint, 0) "
    "FROM app.tenants WHERE " MEMSEAL_MINE " AND state = 'erased'"};
constexpr Statement delete_keys{"person_keys", "DELETE FROM app.tenant_keys WHERE " MEMSEAL_MINE};
// Other processes forget by it (erasure_listener.hpp). It is sent when the transaction commits.
constexpr Statement tell_processes{
    "person_tell", "SELECT pg_notify('memseal.erasures', (SELECT app.tenant()))"};

// A process that finds this row, and in it no sign of life for long, finishes the erasure.
constexpr Statement note_erasure{
    "person_note", "INSERT INTO app.erasures (person) VALUES ((SELECT app.tenant())) "
                   "ON CONFLICT (person) DO UPDATE SET taken_at = now()"};
// In parts, so that no statement on a large tenant lasts until its timeout.
#define MEMSEAL_PART(table, key)                                                   \
  " WHERE " MEMSEAL_MINE " AND " key " = ANY (ARRAY(SELECT " key " FROM " table    \
  " WHERE " MEMSEAL_MINE " LIMIT $1::bigint))"
constexpr Statement delete_parts[]{
    {"person_chunks",
     "DELETE FROM app.memory_chunks" MEMSEAL_PART("app.memory_chunks", "id")},
    {"person_documents", "DELETE FROM app.documents" MEMSEAL_PART("app.documents", "doc_id")},
    {"person_events",
     "DELETE FROM app.ingest_events" MEMSEAL_PART("app.ingest_events", "event_id")},
    {"person_replies",
     "DELETE FROM app.idempotency_keys" MEMSEAL_PART("app.idempotency_keys", "key")},
    {"person_files", "DELETE FROM app.files" MEMSEAL_PART("app.files", "id")}};
#undef MEMSEAL_PART
#define MEMSEAL_LEFT(table) "EXISTS (SELECT 1 FROM " table " WHERE " MEMSEAL_MINE ")"
constexpr Statement look_for_rows{
    "person_left",
    "SELECT " MEMSEAL_LEFT("app.memory_chunks") " OR " MEMSEAL_LEFT("app.documents") " OR "
    MEMSEAL_LEFT("app.ingest_events") " OR " MEMSEAL_LEFT("app.idempotency_keys") " OR "
    MEMSEAL_LEFT("app.files")};
#undef MEMSEAL_LEFT
#undef MEMSEAL_MINE

void delete_part(TenantTx& tx, std::size_t rows_max) {
  for (const auto& statement : delete_parts) tx.exec(statement, pqxx::params{rows_max});
}

/// Empty where the tenant is not erased.
std::optional<ports::Erasure> tombstone_of(TenantTx& tx) {
  const auto rows = tx.exec(read_tombstone);
  if (rows.empty()) return std::nullopt;
  const auto count = [&](int column) { return rows[0][column].as<std::int64_t>(); };
  return ports::Erasure{.at_ms = count(0),
                        .documents = count(1),
                        .conversations = count(2),
                        .chunks = count(3),
                        .operations = count(4),
                        .keys = count(5),
                        .files = count(6),
                        .file_bytes = count(7)};
}

}  // namespace

asio::awaitable<ports::PersonState> PgPersonStore::look(runtime::RequestContext context,
                                                        crypto::Tenant owner) {
  auto work = [](TenantTx& tx) {
    const auto row = tx.exec(look_person).one_row();
    ports::PersonState state;
    state.known = row[0].as<bool>();
    if (!row[1].is_null()) state.erased_at_ms = row[1].as<std::int64_t>();
    if (state.erased_at_ms) return state;  // what is not deleted yet opens no more
    state.counts = {.documents = row[2].as<std::int64_t>(),
                    .conversations = row[3].as<std::int64_t>(),
                    .chunks = row[4].as<std::int64_t>(),
                    .text_bytes = row[5].as<std::int64_t>(),
                    .files = row[6].as<std::int64_t>(),
                    .file_bytes = row[7].as<std::int64_t>()};
    return state;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<ports::Erasure> PgPersonStore::bury(runtime::RequestContext context,
                                                    crypto::Tenant owner, std::size_t rows_max) {
  auto work = [rows_max](TenantTx& tx) {
    tx.exec(lock_erasers);
    tx.exec(make_row, pqxx::params{tx.user_hash()});
    if (!tx.exec(lock_row).empty()) {
      tx.exec(set_tombstone);
      tx.exec(delete_keys);
    }
    delete_part(tx, rows_max);
    tx.exec(note_erasure);
    // Also for one that was erased before, because a process may have missed the first word.
    tx.exec(tell_processes);
    auto erasure = tombstone_of(tx);
    MEMSEAL_ASSERT(erasure.has_value());
    return *erasure;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<bool> PgPersonStore::delete_rows(runtime::RequestContext context,
                                                 crypto::Tenant owner, std::size_t rows_max) {
  auto work = [rows_max](TenantTx& tx) {
    if (!tombstone_of(tx)) throw_failure({Errc::internal, "the tenant is not erased"});
    tx.exec(lock_erasers);
    tx.exec(note_erasure);
    delete_part(tx, rows_max);
    // Not by what was deleted here, because others delete rows too.
    return tx.exec(look_for_rows).one_field().as<bool>();
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<void> PgPersonStore::finish(runtime::RequestContext context,
                                            crypto::Tenant owner) {
  auto work = [hash = owner.hash().to_hex()](SystemTx& tx) {
    tx.transaction().exec("DELETE FROM app.erasures WHERE person = $1", pqxx::params{hash});
    return Done{};
  };
  co_await in_system(pool_, std::move(context), std::move(work), Access::write);
}

asio::awaitable<std::vector<UserHash>> PgPersonStore::take_unfinished(
    runtime::RequestContext context, std::chrono::seconds silence, std::size_t count) {
  auto work = [silence, count](SystemTx& tx) {
    std::vector<UserHash> taken;
    for (const auto& row : tx.transaction().exec(
             "UPDATE app.erasures SET taken_at = now() WHERE person IN (SELECT person FROM "
             "app.erasures WHERE taken_at < now() - $1::bigint * interval '1 second' "
             "ORDER BY taken_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING person",
             pqxx::params{silence.count(), static_cast<std::int64_t>(count)})) {
      const auto bytes = codec::decode_hex(row[0].view()).value_or(Bytes{});
      UserHash hash;
      if (bytes.size() != hash.bytes.size()) continue;
      std::copy(bytes.begin(), bytes.end(), hash.bytes.begin());
      taken.push_back(hash);
    }
    return taken;
  };
  co_return co_await in_system(pool_, std::move(context), std::move(work), Access::write);
}

std::vector<Statement> person_statements() {
  std::vector<Statement> all{look_person,    lock_erasers, make_row,     lock_row,
                             set_tombstone,  read_tombstone, delete_keys, tell_processes,
                             note_erasure,   look_for_rows};
  all.insert(all.end(), std::begin(delete_parts), std::end(delete_parts));
  return all;
}

}  // namespace memseal::postgres

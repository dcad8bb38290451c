#include "adapters/postgres/internal/deletions.hpp"

#include "adapters/postgres/internal/shipped_statements.hpp"
#include "base/assert.hpp"

namespace memseal::postgres {

namespace {

// The row of a document that was never stored is made too: it keeps out an older upload that lies
// among the dead letters. Its revision is less than any that a producer gives. $5 is the time from
// which the deletion is replayed; 0: no such limit. A conversation of the same id keeps the row.
constexpr Statement bury_document{
    "document_bury",
    "INSERT INTO app.documents AS d (user_hash, doc_id, revision, kind, state, written_by, "
    "deleted_at) VALUES ($1, $2, -1, $3, 'deleted', $4::uuid, now()) "
    "ON CONFLICT (user_hash, doc_id) DO UPDATE SET (kind, state, chunk_count, deleted_at) = "
    "(SELECT CASE WHEN count(*) > 0 THEN 'chat' WHEN d.kind = 'chat' THEN excluded.kind "
    "ELSE d.kind END, CASE WHEN count(*) > 0 THEN 'ready' ELSE 'deleted' END, count(*)::int, "
    "CASE WHEN count(*) = 0 THEN now() END FROM app.memory_chunks m "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = d.doc_id AND m.source = 'chat'), "
    "name_cipher = NULL, meta_cipher = NULL, written_by = excluded.written_by, updated_at = now() "
    "WHERE $5::bigint = 0 OR d.updated_at <= to_timestamp($5::bigint / 1000.0) "
    "RETURNING d.doc_id"};

// Turns that are being stored hold this lock, and those that come later wait for it.
constexpr Statement lock_conversation{
    "conversation_lock",
    "SELECT FROM app.documents WHERE user_hash = (SELECT app.tenant()) "
    "AND doc_id = $1::text COLLATE \"C\" FOR UPDATE"};

constexpr Statement delete_chunks{
    "chunks_delete",
    "DELETE FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) "
    "AND doc_id = $1::text COLLATE \"C\" AND (source = 'chat') = $2::boolean "
    "AND ($3::bigint IS NULL OR created_at < to_timestamp($3::bigint / 1000.0))"};

// $2 is the time of the deletion. The tombstone has it as its revision, which is compared with the
// time of turns that are replayed. A document of the same id keeps the row alive.
constexpr Statement settle_conversation{
    "conversation_settle",
    "UPDATE app.documents d SET (kind, state, chunk_count, deleted_at, revision) = "
    "(SELECT CASE WHEN coalesce(bool_or(m.source = d.kind), true) THEN d.kind "
    "ELSE min(m.source) END, CASE WHEN count(*) > 0 THEN 'ready' ELSE 'deleted' END, "
    "count(*)::int, CASE WHEN count(*) = 0 THEN now() END, "
    "CASE WHEN count(*) = 0 THEN greatest(d.revision, $2::bigint) ELSE d.revision END "
    "FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) "
    "AND m.doc_id = d.doc_id), updated_at = now() "
    "WHERE d.user_hash = (SELECT app.tenant()) AND d.doc_id = $1::text COLLATE \"C\" "
    "AND d.deleted_at IS NULL"};

constexpr Statement note_deleted{
    "ledger_deleted",
    "UPDATE app.ingest_events SET deleted = $2 "
    "WHERE user_hash = (SELECT app.tenant()) AND event_id = $1::uuid"};

std::int64_t delete_of(TenantTx& tx, const ports::EventWrite& write) {
  const bool is_conversation = write.origin == Origin::chat;
  const pqxx::params parameters{write.doc_id.value(), is_conversation,
                                is_conversation ? write.deletion->before_ms : std::nullopt};
  return static_cast<std::int64_t>(tx.exec(delete_chunks, parameters).affected_rows());
}

std::int64_t delete_turns(TenantTx& tx, const ports::EventWrite& write) {
  if (tx.exec(lock_conversation, pqxx::params{write.doc_id.value()}).empty()) return 0;
  const auto count = delete_of(tx, write);
  tx.exec(settle_conversation, pqxx::params{write.doc_id.value(), write.revision});
  return count;
}

}  // namespace

std::optional<std::int64_t> apply_deletion(TenantTx& tx, const ports::EventWrite& write,
                                           bool is_latest) {
  MEMSEAL_ASSERT(write.deletion && write.chunks.empty());
  std::int64_t count = 0;
  if (write.origin == Origin::chat) {
    count = delete_turns(tx, write);
  } else {
    const auto from_ms =
        is_latest || !write.by_arrival ? 0 : write.by_arrival->replayed_from_ms;
    const auto buried = tx.exec(
        bury_document, pqxx::params{tx.user_hash(), write.doc_id.value(),
                                    origin_name(write.origin), write.event_id.to_string(),
                                    from_ms});
    if (buried.empty()) return std::nullopt;
    count = delete_of(tx, write);
  }
  tx.exec(note_deleted, pqxx::params{write.event_id.to_string(), count});
  return count;
}

std::vector<Statement> deletion_statements() {
  return {bury_document, lock_conversation, delete_chunks, settle_conversation, note_deleted};
}

}  // namespace memseal::postgres

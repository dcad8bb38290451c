#include "adapters/postgres/stored_memory.hpp"

#include "adapters/postgres/internal/candidate_row.hpp"
#include "adapters/postgres/internal/origin_column.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"

#include <utility>

namespace memseal::postgres {

namespace {

using ports::MemoryKind;

#define MEMSEAL_MS(time) "(extract(epoch FROM " time ") * 1000)::bigint"
// The kind is that of the chunks, because a document and a conversation of one id share a row of
// app.documents. The chunks of one document have the same tags.
#define MEMSEAL_LISTED(is_of_kind)                                                        \
  "SELECT d.doc_id, c.source, coalesce(d.name_cipher, ''::bytea), c.chunks, "             \
  MEMSEAL_MS("d.created_at") ", " MEMSEAL_MS("d.updated_at") ", "                         \
  MEMSEAL_MS("c.first_at") ", " MEMSEAL_MS("c.last_at") ", " MEMSEAL_MS("c.expires_at")   \
  ", c.tags FROM app.documents d CROSS JOIN LATERAL ("                                    \
  "SELECT count(*) AS chunks, min(m.source) AS source, min(m.created_at) AS first_at, "   \
  "max(m.created_at) AS last_at, min(m.expires_at) AS expires_at, min(m.tags) AS tags "   \
  "FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) "                   \
  "AND m.doc_id = d.doc_id AND m.source " is_of_kind " 'chat' "                           \
  "AND (m.expires_at IS NULL OR m.expires_at > now())) c "                                \
  "WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL AND c.chunks > 0 "
#define MEMSEAL_PAGE "AND d.doc_id > $1::text COLLATE \"C\" ORDER BY d.doc_id LIMIT $2::bigint"
#define MEMSEAL_ONE "AND d.doc_id = $1::text COLLATE \"C\""

// A row that a document wrote has written_by, also if turns were added to it later. What is no
// document is left out before its chunks are counted.
constexpr Statement list_documents{
    "documents_list",
    MEMSEAL_LISTED("<>") "AND (d.kind <> 'chat' OR d.written_by IS NOT NULL) " MEMSEAL_PAGE};
constexpr Statement list_conversations{"conversations_list",
                                       MEMSEAL_LISTED("=") "AND d.kind = 'chat' " MEMSEAL_PAGE};
constexpr Statement find_document{"document_find", MEMSEAL_LISTED("<>") MEMSEAL_ONE};
constexpr Statement find_conversation{"conversation_find", MEMSEAL_LISTED("=") MEMSEAL_ONE};
#undef MEMSEAL_ONE
#undef MEMSEAL_PAGE
#undef MEMSEAL_LISTED
#undef MEMSEAL_MS

// The time of a place is exact to the microsecond, because chunks that were stored when another
// document was stored differ by less than a millisecond. Seconds and the rest are added apart:
// a double, by which an interval is multiplied, does not hold the microseconds of every year.
#define MEMSEAL_CHUNKS(comparison, direction, from)                                            \
  "SELECT " MEMSEAL_CANDIDATE_COLUMNS("m", "0::float4", "m.text_cipher") ", "                  \
  "(extract(epoch FROM m.created_at) * 1000000)::bigint FROM app.memory_chunks m "             \
  "WHERE m.user_hash = (SELECT app.tenant()) AND m.doc_id = $1::text COLLATE \"C\" "           \
  "AND (m.source = 'chat') = $2::boolean "                                                     \
  "AND (m.expires_at IS NULL OR m.expires_at > now()) "                                        \
  "AND (m.created_at, m.chunk_index, m.id) " comparison " (coalesce('epoch'::timestamptz "     \
  "+ ($3::bigint / 1000000) * interval '1 second' "                                            \
  "+ ($3::bigint % 1000000) * interval '1 microsecond', " from "), $4::int, $5::uuid) "        \
  "ORDER BY m.created_at " direction ", m.chunk_index " direction ", m.id " direction " "      \
  "LIMIT $6::bigint"

constexpr Statement chunks_ascending{"chunks_oldest_first",
                                     MEMSEAL_CHUNKS(">", "ASC", "'-infinity'")};
constexpr Statement chunks_descending{"chunks_newest_first",
                                      MEMSEAL_CHUNKS("<", "DESC", "'infinity'")};
#undef MEMSEAL_CHUNKS

constexpr Statement known_memory{
    "memory_known",
    "SELECT EXISTS (SELECT FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) "
    "AND m.doc_id = $1::text COLLATE \"C\" AND (m.source = 'chat') = $2::boolean) "
    "OR EXISTS (SELECT FROM app.ingest_events e WHERE e.user_hash = (SELECT app.tenant()) "
    "AND e.doc_id = $1::text COLLATE \"C\" AND (e.kind = 'chat') = $2::boolean "
    "AND e.state = 'queued' AND e.deleted IS NULL)"};

ports::ListedMemory listed_of(const pqxx::row& row) {
  ports::ListedMemory listed;
  listed.id = row[0].c_str();
  listed.origin = origin_in_row(row[1].view());
  listed.name_cipher = parse_bytea(row[2].view());
  listed.chunks = row[3].as<std::int64_t>();
  listed.created_at_ms = row[4].as<std::int64_t>();
  listed.updated_at_ms = row[5].as<std::int64_t>();
  listed.first_at_ms = row[6].as<std::int64_t>();
  listed.last_at_ms = row[7].as<std::int64_t>();
  if (!row[8].is_null()) listed.expires_at_ms = row[8].as<std::int64_t>();
  listed.tags = parse_text_array(row[9].view());
  return listed;
}

pqxx::params params_of(const ports::ChunkRange& range) {
  pqxx::params parameters{range.id.value(), range.kind == MemoryKind::conversation};
  if (range.after)
    parameters.append(range.after->at_us);
  else
    parameters.append();
  const auto place = range.after.value_or(ports::ChunkPlace{});
  parameters.append(place.index);
  parameters.append(place.id.to_string());
  parameters.append(range.limit);
  return parameters;
}

}  // namespace

asio::awaitable<std::vector<ports::ListedMemory>> PgStoredMemory::list(
    runtime::RequestContext context, crypto::Tenant owner, MemoryKind kind, std::string after,
    std::size_t limit) {
  auto work = [kind, after = std::move(after), limit](TenantTx& tx) {
    const auto rows =
        tx.exec(kind == MemoryKind::document ? list_documents : list_conversations,
                pqxx::params{after, limit});
    std::vector<ports::ListedMemory> found;
    for (const auto& row : rows) found.push_back(listed_of(row));
    return found;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<std::optional<ports::ListedMemory>> PgStoredMemory::find(
    runtime::RequestContext context, crypto::Tenant owner, MemoryKind kind, DocId id) {
  auto work = [kind, id = std::move(id)](TenantTx& tx) -> std::optional<ports::ListedMemory> {
    const auto rows = tx.exec(kind == MemoryKind::document ? find_document : find_conversation,
                              pqxx::params{id.value()});
    if (rows.empty()) return std::nullopt;
    return listed_of(rows[0]);
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<std::vector<ports::ListedChunk>> PgStoredMemory::chunks(
    runtime::RequestContext context, crypto::Tenant owner, ports::ChunkRange range) {
  auto work = [range = std::move(range)](TenantTx& tx) {
    const auto rows =
        tx.exec(range.newest_first ? chunks_descending : chunks_ascending, params_of(range));
    std::vector<ports::ListedChunk> found;
    for (const auto& row : rows) {
      auto chunk = candidate_of(row);
      const ports::ChunkPlace place{row[candidate_columns].as<std::int64_t>(), chunk.chunk_index,
                                    chunk.id};
      found.push_back({place, std::move(chunk)});
    }
    return found;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<bool> PgStoredMemory::is_known(runtime::RequestContext context,
                                               crypto::Tenant owner, MemoryKind kind, DocId id) {
  auto work = [kind, id = std::move(id)](TenantTx& tx) {
    const auto found =
        tx.exec(known_memory, pqxx::params{id.value(), kind == MemoryKind::conversation});
    return found.one_field().as<bool>();
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

std::vector<Statement> memory_statements() {
  return {list_documents,   list_conversations, find_document, find_conversation,
          chunks_ascending, chunks_descending,  known_memory};
}

}  // namespace memseal::postgres

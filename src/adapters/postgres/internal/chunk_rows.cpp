#include "adapters/postgres/internal/chunk_rows.hpp"

#include "adapters/postgres/internal/shipped_statements.hpp"
#include "base/limits.hpp"

#include <algorithm>
#include <optional>
#include <span>

namespace memseal::postgres {

namespace {

// ON CONFLICT inserts speculatively, which costs the server a fifth more time a row. So a batch is
// first inserted without it, because its ids are nearly always new, and again with it if an id
// existed. Up to `few_rows` use ON CONFLICT at once, because a savepoint would cost more.
constexpr std::size_t few_rows = 64;
// Bytes of one statement. Its rows are copied a few times, so they should fit in the CPU caches.
constexpr std::size_t statement_bytes = 1u << 20;

// unnest stands in the select list because there it returns row by row. In FROM PostgreSQL would
// first write all rows to a temporary store.
#define MEMSEAL_INSERT_CHUNKS \
  "INSERT INTO app.memory_chunks (id, user_hash, doc_id, source, text_cipher, meta_cipher, " \
  "embedding, chunk_index, char_start, char_end, expires_at, tags, model, " \
  "created_at, embed_mac) " \
  "SELECT t.id, $1, t.doc_id, t.source, t.text_cipher, t.meta_cipher, t.embedding, " \
  "t.chunk_index, t.char_start, t.char_end, " \
  "'epoch'::timestamptz + t.expires_ms * interval '1 millisecond', " \
  "coalesce(t.tags::text[], '{}'), t.model, " \
  "coalesce('epoch'::timestamptz + t.created_ms * interval '1 millisecond', now()), t.embed_mac " \
  "FROM (SELECT unnest($2::uuid[]) AS id, unnest($3::text[]) AS doc_id, " \
  "unnest($4::text[]) AS source, unnest($5::bytea[]) AS text_cipher, " \
  "unnest($6::bytea[]) AS meta_cipher, unnest($7::${vector}.halfvec[]) AS embedding, " \
  "unnest($8::int[]) AS chunk_index, unnest($9::int[]) AS char_start, " \
  "unnest($10::int[]) AS char_end, unnest($11::bigint[]) AS expires_ms, " \
  "unnest($12::text[]) AS tags, unnest($13::text[]) AS model, " \
  "unnest($14::bigint[]) AS created_ms, unnest($15::uuid[]) AS embed_mac) AS t"

constexpr Statement insert_new{"chunks_insert_new", MEMSEAL_INSERT_CHUNKS};
constexpr Statement insert_if_absent{"chunks_insert_if_absent",
                                   MEMSEAL_INSERT_CHUNKS
                                   " ON CONFLICT (user_hash, id) DO NOTHING"};
#undef MEMSEAL_INSERT_CHUNKS

void add_or_null(ArrayBuilder& column, const Bytes& bytes) {
  bytes.empty() ? column.add_null() : column.add(ByteView(bytes));
}

/// The columns of one statement, side by side.
struct Columns {
  explicit Columns(Oid halfvec_oid) : embedding(halfvec_oid) {}

  ArrayBuilder id{oid::uuid}, doc_id{oid::text}, source{oid::text};
  ArrayBuilder text_cipher{oid::bytea}, meta_cipher{oid::bytea};
  ArrayBuilder embedding;
  ArrayBuilder chunk_index{oid::int4}, char_start{oid::int4}, char_end{oid::int4};
  ArrayBuilder expires_ms{oid::int8}, tags{oid::text}, model{oid::text}, created_ms{oid::int8};
  ArrayBuilder embed_mac{oid::uuid};

  void reserve(std::span<const crypto::SealedChunk* const> chunks) {
    std::size_t text = 0, meta = 0, vectors = 0;
    for (const auto* chunk : chunks) {
      text += chunk->text_cipher().size() + 4;
      meta += chunk->meta_cipher().size() + 4;
      vectors += 2 * chunk->embedding().size() + 8;
    }
    text_cipher.reserve(text);
    meta_cipher.reserve(meta);
    embedding.reserve(vectors);
  }

  void add(const crypto::SealedChunk& chunk) {
    const auto& header = chunk.header();
    id.add(header.id);
    doc_id.add(std::string_view(header.doc_id.value()));
    source.add(origin_name(header.origin));
    text_cipher.add(ByteView(chunk.text_cipher()));
    add_or_null(meta_cipher, chunk.meta_cipher());
    chunk.embedding().empty() ? embedding.add_null() : embedding.add_halfvec(chunk.embedding());
    chunk_index.add(header.chunk_index);
    char_start.add(header.char_start);
    char_end.add(header.char_end);
    header.expires_at_ms ? expires_ms.add(*header.expires_at_ms) : expires_ms.add_null();
    header.tags.empty() ? tags.add_null() : tags.add(std::string_view(text_array(header.tags)));
    model.add(std::string_view(header.model));
    header.created_at_ms ? created_ms.add(*header.created_at_ms) : created_ms.add_null();
    header.embed_mac ? embed_mac.add(*header.embed_mac) : embed_mac.add_null();
  }

  std::size_t insert(TenantTx& tx) {
    const pqxx::params parameters{tx.user_hash(),
                                  binary(id.bytes()),
                                  binary(doc_id.bytes()),
                                  binary(source.bytes()),
                                  binary(text_cipher.bytes()),
                                  binary(meta_cipher.bytes()),
                                  binary(embedding.bytes()),
                                  binary(chunk_index.bytes()),
                                  binary(char_start.bytes()),
                                  binary(char_end.bytes()),
                                  binary(expires_ms.bytes()),
                                  binary(tags.bytes()),
                                  binary(model.bytes()),
                                  binary(created_ms.bytes()),
                                  binary(embed_mac.bytes())};
    std::optional<pqxx::result> inserted;
    // An id is a keyed hash of tenant, document, revision and position, so one that exists is rare.
    if (id.size() > few_rows) inserted = tx.exec_unless_duplicate(insert_new, parameters);
    if (!inserted) inserted = tx.exec(insert_if_absent, parameters);
    return static_cast<std::size_t>(inserted->affected_rows());
  }
};

// At least one row, also where that row alone is over the limit.
std::size_t rows_of_one_statement(std::span<const crypto::SealedChunk* const> rest) {
  std::size_t rows = 1, bytes = rest[0]->bytes();
  while (rows < std::min(rest.size(), limits::insert_rows_max) && bytes < statement_bytes) {
    bytes += rest[rows++]->bytes();
  }
  return rows;
}

}  // namespace

std::size_t insert_chunks(TenantTx& tx, const std::vector<const crypto::SealedChunk*>& chunks) {
  std::size_t inserted = 0;
  std::span<const crypto::SealedChunk* const> rest(chunks);
  while (!rest.empty()) {
    const auto slice = rest.first(rows_of_one_statement(rest));
    rest = rest.subspan(slice.size());
    Columns columns(tx.halfvec_oid());
    columns.reserve(slice);
    for (const auto* chunk : slice) columns.add(*chunk);
    inserted += columns.insert(tx);
  }
  return inserted;
}

std::vector<Statement> chunk_statements() {
  return {insert_new, insert_if_absent};
}

}  // namespace memseal::postgres

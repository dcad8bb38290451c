#include "adapters/postgres/matrix_store.hpp"

#include "adapters/postgres/internal/candidate_row.hpp"
#include "adapters/postgres/internal/nearest_rows.hpp"
#include "adapters/postgres/internal/nearest_sql.hpp"
#include "adapters/postgres/internal/origin_column.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "pure/codec/big_endian.hpp"

#include <array>
#include <utility>

namespace memseal::postgres {

namespace {

// xmin is the transaction that wrote the row: it moves with every change, also of a program that
// knows nothing of `version`.
constexpr Statement tenant_state{
    "matrix_state",
    "SELECT t.version, t.xmin::text::bigint, t.chunk_count, t.state = 'erased', "
    "(extract(epoch FROM now() - '2000-01-01 00:00:00+00'::timestamptz) * 1000000)::bigint "
    "FROM app.tenants t WHERE t.user_hash = (SELECT app.tenant())"};

// Whatever changes chunks also writes the row of their document, in the same transaction.
constexpr Statement document_stamps{
    "matrix_documents",
    "SELECT d.doc_id, d.xmin::text::bigint, d.chunk_count FROM app.documents d "
    "WHERE d.user_hash = (SELECT app.tenant()) AND d.deleted_at IS NULL"};

// The server's own binary forms, because they are exact and cost a fraction of the texts.
constexpr Statement matrix_rows{
    "matrix_rows",
    "SELECT m.doc_id, m.source, m.tags, uuid_send(m.id), timestamptz_send(m.created_at), "
    "timestamptz_send(m.expires_at), ${vector}.halfvec_send(m.embedding) "
    "FROM app.memory_chunks m WHERE m.user_hash = (SELECT app.tenant()) "
    "AND m.doc_id = ANY ($1::text[]) AND m.id >= $2::uuid AND m.id <= $3::uuid"};

// The ids come from memory, and may be wrong: another tenant's rows stay invisible, and the
// distances are computed here, so that they and the order are those of every other plan.
constexpr Statement matrix_fetch{
    "matrix_fetch",
    MEMSEAL_NEAREST(MEMSEAL_CANDIDATE_COLUMNS(
                        "c", "n.distance",
                        "CASE WHEN $6::boolean THEN ''::bytea ELSE c.text_cipher END"),
                    "SELECT s.place, s.id, s.distance FROM (" MEMSEAL_PLACES(
                        " AND m.id = ANY ($3::uuid[])") " OFFSET 0) s "
                    "WHERE $4::float4 IS NULL OR (s.distance, s.id) > ($4::float4, $5::uuid)")};

constexpr Statement terms_of_all{
    "terms_of_all",
    "SELECT b.doc_id, uuid_send(b.first_chunk), b.cipher FROM app.term_blocks b "
    "WHERE b.user_hash = (SELECT app.tenant())"};
constexpr Statement terms_of_documents{
    "terms_of_documents",
    "SELECT b.doc_id, uuid_send(b.first_chunk), b.cipher FROM app.term_blocks b "
    "WHERE b.user_hash = (SELECT app.tenant()) AND b.doc_id = ANY ($1::text[])"};

/// The bytes of a bytea that the server made, "\x0a0b…"; `size` bytes at most.
/// Returns how many there were. Throws Refused where the session writes another form.
std::size_t read_bytea(std::string_view text, std::uint8_t* to, std::size_t size) {
  if (text.empty()) return 0;
  if (!text.starts_with("\\x"))
    throw_failure({Errc::internal, "the database does not write bytea as hex: reset bytea_output"});
  const std::size_t count = std::min(text.size() / 2 - 1, size);
  const char* from = text.data() + 2;
  // Digits are '0'…'9' and 'a'…'f': letters have bit 6 and are 9 more than their low bits.
  const auto value = [](char digit) {
    const unsigned bits = static_cast<unsigned char>(digit);
    return (bits & 15u) + 9u * (bits >> 6);
  };
  for (std::size_t i = 0; i < count; ++i)
    to[i] = static_cast<std::uint8_t>(value(from[2 * i]) << 4 | value(from[2 * i + 1]));
  return count;
}

std::int64_t time_of(std::string_view text) {
  std::array<std::uint8_t, 8> bytes{};
  read_bytea(text, bytes.data(), bytes.size());
  return static_cast<std::int64_t>(codec::read_big_endian<std::uint64_t>(bytes.data()));
}

/// Reads a row of `matrix_rows`. Keeps what the MatrixRow borrows.
class RowReader {
 public:
  ports::MatrixRow read(const pqxx::row& row) {
    ports::MatrixRow read;
    read.doc_id = row[0].view();
    read.origin = origin_in_row(row[1].view());
    tags_.clear();
    if (row[2].view() != "{}") tags_ = parse_text_array(row[2].view());
    read.tags = tags_;
    read_bytea(row[3].view(), read.id.bytes.data(), read.id.bytes.size());
    read.created_us = time_of(row[4].view());
    if (!row[5].is_null()) read.expires_us = time_of(row[5].view());
    if (!row[6].is_null()) read_vector(row[6].view());
    read.vector = row[6].is_null() ? std::span<const std::uint16_t>() : halves_;
    return read;
  }

 private:
  // halfvec_send(): dimension i16, unused i16, and the halves, big-endian.
  void read_vector(std::string_view text) {
    constexpr std::size_t head = 4;
    sent_.resize(text.size() / 2);
    const auto count = read_bytea(text, sent_.data(), sent_.size());
    halves_.resize(count > head ? (count - head) / 2 : 0);
    for (std::size_t i = 0; i < halves_.size(); ++i)
      halves_[i] = codec::read_big_endian<std::uint16_t>(sent_.data() + head + 2 * i);
  }

  std::vector<std::string> tags_;
  std::vector<std::uint16_t> halves_;
  Bytes sent_;
};

class PgMatrixRows final : public ports::MatrixRows {
 public:
  explicit PgMatrixRows(TenantTx& tx) : tx_(tx) {}

  std::optional<ports::TenantState> state() override {
    const auto rows = tx_.exec(tenant_state);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return ports::TenantState{
        .version = {row[0].as<std::int64_t>(), row[1].as<std::int64_t>()},
        .chunks = row[2].as<std::int64_t>(),
        .erased = row[3].as<bool>(),
        .now_us = row[4].as<std::int64_t>()};
  }

  std::vector<ports::DocumentStamp> documents() override {
    std::vector<ports::DocumentStamp> found;
    for (const auto& row : tx_.exec(document_stamps))
      found.push_back({row[0].c_str(), row[1].as<std::int64_t>(), row[2].as<std::int64_t>()});
    return found;
  }

  void read(const ports::MatrixBatch& batch,
            const std::function<void(const ports::MatrixRow&)>& take) override {
    const auto rows =
        tx_.exec(matrix_rows, pqxx::params{text_array(batch.doc_ids), batch.first.to_string(),
                                           batch.last.to_string()});
    RowReader reader;
    for (const auto& row : rows) take(reader.read(row));
  }

  void read_terms(const std::vector<std::string>& doc_ids,
                  const std::function<void(const ports::TermBlockRow&)>& take) override {
    const auto rows = doc_ids.empty()
                          ? tx_.exec(terms_of_all)
                          : tx_.exec(terms_of_documents, pqxx::params{text_array(doc_ids)});
    Bytes cipher;
    for (const auto& row : rows) {
      Uuid first_chunk;
      read_bytea(row[1].view(), first_chunk.bytes.data(), first_chunk.bytes.size());
      cipher.resize(row[2].view().size() / 2);
      cipher.resize(read_bytea(row[2].view(), cipher.data(), cipher.size()));
      take({row[0].view(), first_chunk, cipher});
    }
  }

  std::vector<crypto::SealedCandidate> nearest(const ports::QueryVector& query, std::size_t limit,
                                               const ports::SearchFilter& filter) override {
    return nearest_rows(tx_, query, limit, filter);
  }

  std::vector<crypto::SealedCandidate> fetch(const ports::QueryVector& query,
                                             const ports::MatrixChoice& choice) override {
    const auto vector = halfvec(query.values);
    ArrayBuilder ids(oid::uuid);
    for (const auto& id : choice.ids) ids.add(id);
    pqxx::params parameters{binary(std::as_bytes(std::span(vector))), choice.limit,
                            binary(ids.bytes())};
    if (choice.after) {
      parameters.append(choice.after->distance);
      parameters.append(choice.after->id.to_string());
    } else {
      parameters.append();
      parameters.append();
    }
    parameters.append(choice.without_texts);
    std::vector<crypto::SealedCandidate> found;
    for (const auto& row : tx_.exec(matrix_fetch, parameters)) found.push_back(candidate_of(row));
    return found;
  }

 private:
  TenantTx& tx_;
};

}  // namespace

asio::awaitable<void> PgMatrixStore::in_snapshot(runtime::RequestContext context,
                                                 crypto::Tenant owner,
                                                 std::function<void(ports::MatrixRows&)> work) {
  auto job = [work = std::move(work)](TenantTx& tx) {
    PgMatrixRows rows(tx);
    work(rows);
    return Done{};
  };
  co_await in_tenant(pool_, std::move(context), owner, std::move(job), Access::read_one_snapshot);
}

std::vector<Statement> matrix_statements() {
  return {tenant_state, document_stamps, matrix_rows, matrix_fetch, terms_of_all,
          terms_of_documents};
}

}  // namespace memseal::postgres

#include "adapters/postgres/sealed_rows.hpp"

#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "adapters/postgres/internal/tenant_tx.hpp"
#include "pure/codec/big_endian.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace memseal::postgres {

namespace {

// The generation of its key stands in bytes 2 to 5 of a blob.
constexpr Statement read_texts{
    "reseal_texts",
    "SELECT id, doc_id, chunk_index, text_cipher, coalesce(meta_cipher, ''::bytea) "
    "FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant()) AND id > $1::uuid "
    "AND substring(text_cipher FROM 2 FOR 4) <> $2::bytea ORDER BY id LIMIT $3::bigint"};
constexpr Statement read_names{
    "reseal_names",
    "SELECT doc_id, name_cipher FROM app.documents "
    "WHERE user_hash = (SELECT app.tenant()) AND doc_id > $1::text COLLATE \"C\" "
    "AND name_cipher IS NOT NULL AND substring(name_cipher FROM 2 FOR 4) <> $2::bytea "
    "ORDER BY doc_id LIMIT $3::bigint"};
// The cipher that was read is compared: a row that was written meanwhile keeps what was written.
// The first and the last id stand there because by the ids alone the planner reads all rows of the
// tenant, and all parameters for each, where most tenants are small.
constexpr Statement replace_texts{
    "reseal_put_texts",
    "UPDATE app.memory_chunks m SET text_cipher = t.text, meta_cipher = t.meta "
    "FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bytea[]) AS before, "
    "unnest($3::bytea[]) AS text, unnest($4::bytea[]) AS meta) AS t "
    "WHERE m.user_hash = (SELECT app.tenant()) AND m.id BETWEEN $5::uuid AND $6::uuid "
    "AND m.id = t.id AND m.text_cipher = t.before"};
constexpr Statement replace_names{
    "reseal_put_names",
    "UPDATE app.documents d SET name_cipher = t.name "
    "FROM (SELECT unnest($1::text[]) AS doc_id, unnest($2::bytea[]) AS before, "
    "unnest($3::bytea[]) AS name) AS t "
    "WHERE d.user_hash = (SELECT app.tenant()) AND d.doc_id = t.doc_id COLLATE \"C\" "
    "AND d.name_cipher = t.before"};
constexpr Statement count_seals_made{
    "reseal_count",
    "UPDATE app.tenants SET seals = seals + $1 WHERE user_hash = (SELECT app.tenant())"};

std::string id_text(const Uuid& id) { return id.to_string(); }

Uuid uuid_of(const pqxx::field& field) { return Uuid::parse(field.view()).value(); }

pqxx::bytes_view as_param(const std::array<std::uint8_t, 4>& bytes) {
  return binary(std::as_bytes(std::span(bytes)));
}

}  // namespace

asio::awaitable<std::vector<ports::SealedTexts>> PgSealedRows::texts(
    runtime::RequestContext context, crypto::Tenant owner, std::uint32_t key_id, Uuid after,
    std::size_t rows_max) {
  auto work = [key_id, after, rows_max](TenantTx& tx) {
    const auto number = codec::big_endian(key_id);
    std::vector<ports::SealedTexts> rows;
    for (const auto& row : tx.exec(read_texts, pqxx::params{id_text(after), as_param(number),
                                                            static_cast<std::int64_t>(rows_max)}))
      rows.push_back({uuid_of(row[0]), row[1].c_str(), row[2].as<std::int32_t>(),
                      parse_bytea(row[3].view()), parse_bytea(row[4].view())});
    return rows;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<std::vector<ports::SealedName>> PgSealedRows::names(
    runtime::RequestContext context, crypto::Tenant owner, std::uint32_t key_id,
    std::string after, std::size_t rows_max) {
  auto work = [key_id, after = std::move(after), rows_max](TenantTx& tx) {
    const auto number = codec::big_endian(key_id);
    std::vector<ports::SealedName> rows;
    for (const auto& row : tx.exec(
             read_names,
             pqxx::params{after, as_param(number), static_cast<std::int64_t>(rows_max)}))
      rows.push_back({row[0].c_str(), parse_bytea(row[1].view())});
    return rows;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<std::int64_t> PgSealedRows::replace(
    runtime::RequestContext context, crypto::Tenant owner,
    std::vector<ports::Resealed<ports::SealedTexts>> rows) {
  auto work = [rows = std::move(rows)](TenantTx& tx) {
    ArrayBuilder id(oid::uuid), before(oid::bytea), text(oid::bytea), meta(oid::bytea);
    std::int64_t seals = 0;
    auto first = rows.at(0).before.id, last = first;
    for (const auto& row : rows) {
      first = std::min(first, row.before.id);
      last = std::max(last, row.before.id);
      id.add(row.before.id);
      before.add(ByteView(row.before.text));
      text.add(ByteView(row.after.text));
      row.after.meta.empty() ? meta.add_null() : meta.add(ByteView(row.after.meta));
      // All are counted, also those whose row has changed meanwhile: their nonces are used.
      seals += 1 + !row.after.meta.empty();
    }
    const auto replaced =
        tx.exec(replace_texts, pqxx::params{binary(id.bytes()), binary(before.bytes()),
                                            binary(text.bytes()), binary(meta.bytes()),
                                            id_text(first), id_text(last)});
    tx.exec(count_seals_made, pqxx::params{seals});
    return static_cast<std::int64_t>(replaced.affected_rows());
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::int64_t> PgSealedRows::replace(
    runtime::RequestContext context, crypto::Tenant owner,
    std::vector<ports::Resealed<ports::SealedName>> rows) {
  auto work = [rows = std::move(rows)](TenantTx& tx) {
    ArrayBuilder doc_id(oid::text), before(oid::bytea), name(oid::bytea);
    for (const auto& row : rows) {
      doc_id.add(std::string_view(row.before.doc_id));
      before.add(ByteView(row.before.name));
      name.add(ByteView(row.after.name));
    }
    const auto replaced = tx.exec(replace_names, pqxx::params{binary(doc_id.bytes()),
                                                              binary(before.bytes()),
                                                              binary(name.bytes())});
    tx.exec(count_seals_made, pqxx::params{static_cast<std::int64_t>(rows.size())});
    return static_cast<std::int64_t>(replaced.affected_rows());
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

std::vector<Statement> sealed_row_statements() {
  return {read_texts, read_names, replace_texts, replace_names, count_seals_made};
}

}  // namespace memseal::postgres

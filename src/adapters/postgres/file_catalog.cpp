#include "adapters/postgres/file_catalog.hpp"

#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/shipped_statements.hpp"
#include "adapters/postgres/internal/tenant_rows.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace memseal::postgres {

namespace {

#define MEMSEAL_FILE_COLUMNS                                      \
  "id, object_id, name_mac, facts_cipher, bytes, content_mac, "   \
  "(extract(epoch FROM created_at) * 1000000)::bigint"

// The lock makes the writes of one tenant take turns, so that two cannot take the same room. It
// comes first in each transaction that writes, so that none waits for another one in a circle.
constexpr Statement lock_files{
    "file_lock",
    "SELECT file_bytes, file_count FROM app.tenants WHERE user_hash = (SELECT app.tenant()) "
    "FOR NO KEY UPDATE"};
// The name, the media type and the tags of a file take one seal.
constexpr Statement count_file{
    "file_count",
    "UPDATE app.tenants SET file_bytes = file_bytes + $1, file_count = file_count + $2, "
    "seals = seals + $3 WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement file_room{
    "file_room",
    "SELECT file_bytes, file_count, (SELECT max(bytes) FROM app.files "
    "WHERE user_hash = (SELECT app.tenant()) AND name_mac = $1) "
    "FROM app.tenants WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement file_twin{"file_twin",
                              "SELECT " MEMSEAL_FILE_COLUMNS
                              " FROM app.files WHERE user_hash = (SELECT app.tenant()) "
                              "AND name_mac = $1 AND content_mac = $2"};
constexpr Statement add_file{
    "file_add",
    "INSERT INTO app.files (user_hash, id, object_id, name_mac, tag_macs, facts_cipher, bytes, "
    "content_mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
    "RETURNING (extract(epoch FROM created_at) * 1000000)::bigint"};
constexpr Statement replace_file_object{
    "file_replace",
    "UPDATE app.files SET object_id = $3 WHERE user_hash = (SELECT app.tenant()) AND id = $1 "
    "AND object_id = $2"};
constexpr Statement find_file{"file_find",
                              "SELECT " MEMSEAL_FILE_COLUMNS
                              " FROM app.files WHERE user_hash = (SELECT app.tenant()) "
                              "AND id = $1"};
constexpr Statement find_object{
    "file_object",
    "SELECT 1 FROM app.files WHERE user_hash = (SELECT app.tenant()) AND object_id = $1"};
constexpr Statement list_files{
    "file_list",
    "SELECT " MEMSEAL_FILE_COLUMNS
    " FROM app.files WHERE user_hash = (SELECT app.tenant()) "
    "AND (created_at, id) < ('epoch'::timestamptz + $1::bigint * interval '1 microsecond', "
    "$2::uuid) AND created_at >= 'epoch'::timestamptz + $3::bigint * interval '1 microsecond' "
    "AND created_at < 'epoch'::timestamptz + $4::bigint * interval '1 microsecond' "
    "AND tag_macs @> $5::uuid[] ORDER BY created_at DESC, id DESC LIMIT $6"};
constexpr Statement remove_file{"file_remove",
                                "DELETE FROM app.files WHERE user_hash = (SELECT app.tenant()) "
                                "AND id = $1 RETURNING " MEMSEAL_FILE_COLUMNS};
constexpr Statement claim{
    "file_store_claim",
    "INSERT INTO app.file_stores (user_hash, name, store) VALUES ($1, 'files', $2) "
    "ON CONFLICT DO NOTHING"};
constexpr Statement read_claim{"file_store_read",
                               "SELECT store, used FROM app.file_stores "
                               "WHERE user_hash = (SELECT app.tenant()) AND name = 'files'"};
constexpr Statement mark_used{"file_store_used",
                              "UPDATE app.file_stores SET used = true "
                              "WHERE user_hash = (SELECT app.tenant()) AND name = 'files'"};

#undef MEMSEAL_FILE_COLUMNS

// Years 0 to 9999: no file lies before or behind them, and PostgreSQL takes all times between.
constexpr std::int64_t oldest_us = -62'167'219'200'000'000, newest_us = 253'402'300'799'999'999;

ports::FileRow file_row_of(const pqxx::row& from) {
  ports::FileRow row;
  row.id = Uuid::parse(from[0].view()).value();
  row.object = Uuid::parse(from[1].view()).value();
  row.name_mac = Uuid::parse(from[2].view()).value();
  row.facts_cipher = parse_bytea(from[3].view());
  row.bytes = from[4].as<std::int64_t>();
  const Bytes content = parse_bytea(from[5].view());
  // The table's CHECK demands 32 bytes.
  std::copy_n(content.begin(), std::min(content.size(), row.content.size()), row.content.begin());
  row.created_at_us = from[6].as<std::int64_t>();
  return row;
}

std::optional<ports::FileRow> first_file_of(const pqxx::result& rows) {
  if (rows.empty()) return std::nullopt;
  return file_row_of(rows[0]);
}

template <class Array>
pqxx::bytes_view bytes_view_of(const Array& bytes) {
  return binary(std::as_bytes(std::span(bytes)));
}

ArrayBuilder uuid_array(const std::vector<Uuid>& ids) {
  ArrayBuilder array(oid::uuid);
  for (const auto& id : ids) array.add(id);
  return array;
}

ports::FileUse use_of(const pqxx::row& row) {
  return {row[0].as<std::int64_t>(), row[1].as<std::int64_t>()};
}

ports::AddedFile add_in(TenantTx& tx, ports::FileRow row, const ports::FileUse& quota) {
  if (!lock_tenant_row(tx)) throw Refused(Error{Errc::tenant_erased, "this user's data is erased"});
  const auto use = use_of(tx.exec(lock_files).one_row());
  // Before the quota: the same content under the same name takes no room.
  auto twin = first_file_of(
      tx.exec(file_twin, pqxx::params{row.name_mac.to_string(), bytes_view_of(row.content)}));
  if (twin) return {ports::FileAdded::twin, std::move(*twin), use};
  auto other = first_file_of(tx.exec(find_file, pqxx::params{row.id.to_string()}));
  if (other) return {ports::FileAdded::id_taken, std::move(*other), use};
  // The lock above holds until COMMIT, so nobody takes this room between the check and the row.
  if (use.files >= quota.files || row.bytes > quota.bytes - use.bytes)
    return {ports::FileAdded::over_quota, std::move(row), use};
  auto tags = uuid_array(row.tag_macs);
  row.created_at_us =
      tx.exec(add_file,
              pqxx::params{tx.user_hash(), row.id.to_string(), row.object.to_string(),
                           row.name_mac.to_string(), binary(tags.bytes()),
                           bytes_view_of(row.facts_cipher), row.bytes, bytes_view_of(row.content)})
          .one_field()
          .as<std::int64_t>();
  tx.exec(count_file, pqxx::params{row.bytes, 1, 1});
  return {ports::FileAdded::added, std::move(row), use};
}

std::optional<ports::FileRow> remove_in(TenantTx& tx, const Uuid& id) {
  tx.exec(lock_files);
  auto removed = first_file_of(tx.exec(remove_file, pqxx::params{id.to_string()}));
  // Seals are not given back: what was sealed counts against the key whether the row lives or not.
  if (removed) tx.exec(count_file, pqxx::params{-removed->bytes, -1, 0});
  return removed;
}

std::vector<ports::FileRow> list_in(TenantTx& tx, const ports::FileListing& listing) {
  // The first page begins behind the newest time that can be, so one statement serves all pages.
  const auto after = listing.after.value_or(ports::FileMark{newest_us, {}});
  auto tags = uuid_array(listing.tag_macs);
  const auto bounded = [](std::optional<std::int64_t> at, std::int64_t otherwise) {
    return std::clamp(at.value_or(otherwise), oldest_us, newest_us);
  };
  std::vector<ports::FileRow> found;
  for (const auto& row :
       tx.exec(list_files, pqxx::params{after.created_at_us, after.id.to_string(),
                                        bounded(listing.from_us, oldest_us),
                                        bounded(listing.until_us, newest_us),
                                        binary(tags.bytes()),
                                        static_cast<std::int64_t>(listing.rows_max)}))
    found.push_back(file_row_of(row));
  return found;
}

auto finding(const Uuid& id) {
  return [id](TenantTx& tx) {
    return first_file_of(tx.exec(find_file, pqxx::params{id.to_string()}));
  };
}

}  // namespace

asio::awaitable<ports::AddedFile> PgFileCatalog::add(runtime::RequestContext context,
                                                     crypto::Tenant owner, ports::FileRow row,
                                                     ports::FileUse quota) {
  auto work = [row = std::move(row), quota](TenantTx& tx) { return add_in(tx, row, quota); };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<bool> PgFileCatalog::replace_object(runtime::RequestContext context,
                                                    crypto::Tenant owner, Uuid id, Uuid from,
                                                    Uuid to) {
  auto work = [id, from, to](TenantTx& tx) {
    return tx.exec(replace_file_object,
                   pqxx::params{id.to_string(), from.to_string(), to.to_string()})
               .affected_rows() == 1;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

// A session that can write, because an upload needs one anyway and must not be judged by the past.
asio::awaitable<ports::FileRoom> PgFileCatalog::room(runtime::RequestContext context,
                                                     crypto::Tenant owner, Uuid name_mac) {
  auto work = [name_mac](TenantTx& tx) {
    ports::FileRoom room;
    const auto rows = tx.exec(file_room, pqxx::params{name_mac.to_string()});
    if (rows.empty()) return room;
    room.use = use_of(rows[0]);
    if (!rows[0][2].is_null()) room.namesake_bytes = rows[0][2].as<std::int64_t>();
    return room;
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::optional<ports::FileRow>> PgFileCatalog::find(runtime::RequestContext context,
                                                                   crypto::Tenant owner, Uuid id) {
  co_return co_await in_tenant(pool_, std::move(context), owner, finding(id));
}

asio::awaitable<std::optional<ports::FileRow>> PgFileCatalog::find_now(
    runtime::RequestContext context, crypto::Tenant owner, Uuid id) {
  co_return co_await in_tenant(pool_, std::move(context), owner, finding(id), Access::write);
}

// A standby may lack the newest rows, and what no row names is removed for ever.
asio::awaitable<bool> PgFileCatalog::names_object(runtime::RequestContext context,
                                                  crypto::Tenant owner, Uuid object) {
  auto work = [object](TenantTx& tx) {
    return !tx.exec(find_object, pqxx::params{object.to_string()}).empty();
  };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<std::vector<ports::FileRow>> PgFileCatalog::list(runtime::RequestContext context,
                                                                 crypto::Tenant owner,
                                                                 ports::FileListing listing) {
  auto work = [listing = std::move(listing)](TenantTx& tx) { return list_in(tx, listing); };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work));
}

asio::awaitable<std::optional<ports::FileRow>> PgFileCatalog::remove(
    runtime::RequestContext context, crypto::Tenant owner, Uuid id) {
  auto work = [id](TenantTx& tx) { return remove_in(tx, id); };
  co_return co_await in_tenant(pool_, std::move(context), owner, std::move(work), Access::write);
}

asio::awaitable<ports::StoreClaim> PgFileCatalog::claim_store(runtime::RequestContext context,
                                                              crypto::Tenant deployment,
                                                              Uuid proposed) {
  auto work = [proposed](TenantTx& tx) {
    // Two processes that start at once propose two stores; the row that is first wins, and both
    // read it.
    tx.exec(claim, pqxx::params{tx.user_hash(), proposed.to_string()});
    const auto row = tx.exec(read_claim).one_row();
    return ports::StoreClaim{Uuid::parse(row[0].view()).value(), row[1].as<bool>()};
  };
  co_return co_await in_tenant(pool_, std::move(context), deployment, std::move(work),
                               Access::write);
}

asio::awaitable<void> PgFileCatalog::mark_store_used(runtime::RequestContext context,
                                                     crypto::Tenant deployment) {
  auto work = [](TenantTx& tx) {
    tx.exec(mark_used);
    return Done{};
  };
  co_await in_tenant(pool_, std::move(context), deployment, std::move(work), Access::write);
}

std::vector<Statement> file_statements() {
  return {lock_files,  count_file,  file_room,  file_twin,   add_file, replace_file_object,
          find_file,   find_object, list_files, remove_file, claim,    read_claim,
          mark_used};
}

}  // namespace memseal::postgres

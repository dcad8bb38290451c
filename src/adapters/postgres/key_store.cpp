#include "adapters/postgres/key_store.hpp"

#include "adapters/postgres/internal/key_cache.hpp"
#include "adapters/postgres/internal/run.hpp"
#include "adapters/postgres/internal/tenant_rows.hpp"
#include "base/limits.hpp"
#include "pure/crypto/sealer.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace memseal::postgres {

namespace {

// Every statement names its tenant: row-level security is the second barrier, not the only one.
constexpr Statement load_keys{"keys_load",
                              "SELECT key_id, kek_epoch, wrapped, kcv, state "
                              "FROM app.tenant_keys "
                              "WHERE user_hash = (SELECT app.tenant()) AND state <> 'retired'"};
constexpr Statement count_seals{
    "keys_seals",
    "SELECT seals FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR NO KEY UPDATE"};
constexpr Statement end_key{
    "keys_end", "UPDATE app.tenant_keys SET state = 'decrypt_only' "
                "WHERE user_hash = (SELECT app.tenant()) AND state = 'active'"};
constexpr Statement restart_count{
    "keys_restart", "UPDATE app.tenants SET seals = 0 WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement last_key{"keys_last", "SELECT coalesce(max(key_id), 0) FROM app.tenant_keys "
                                          "WHERE user_hash = (SELECT app.tenant())"};
constexpr Statement add_key{
    "keys_add",
    "INSERT INTO app.tenant_keys (user_hash, key_id, kek_epoch, wrapped, kcv) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};

constexpr Statement tombstone_make{
    "tombstone_make",
    "INSERT INTO app.tenants (user_hash, state, erased_at) VALUES ($1, 'erased', now()) "
    "ON CONFLICT DO NOTHING"};
constexpr Statement tombstone_lock{
    "tombstone_lock",
    "SELECT state FROM app.tenants WHERE user_hash = (SELECT app.tenant()) FOR UPDATE"};
constexpr Statement tombstone_set{
    "tombstone_set",
    "UPDATE app.tenants SET state = 'erased', chunk_count = 0, erased_at = now() "
    "WHERE user_hash = (SELECT app.tenant()) AND state <> 'erased'"};
constexpr Statement erase_rows[]{
    {"erase_keys", "DELETE FROM app.tenant_keys WHERE user_hash = (SELECT app.tenant())"},
    {"erase_chunks", "DELETE FROM app.memory_chunks WHERE user_hash = (SELECT app.tenant())"},
    {"erase_documents", "DELETE FROM app.documents WHERE user_hash = (SELECT app.tenant())"},
    {"erase_events", "DELETE FROM app.ingest_events WHERE user_hash = (SELECT app.tenant())"},
    {"erase_replies", "DELETE FROM app.idempotency_keys WHERE user_hash = (SELECT app.tenant())"}};

crypto::WrappedKey wrapped_of(const pqxx::row& row) {
  crypto::WrappedKey wrapped;
  wrapped.key_id = row[0].as<std::uint32_t>();
  wrapped.kek_epoch = row[1].as<std::uint32_t>();
  wrapped.wrapped = parse_bytea(row[2].view());
  const Bytes check = parse_bytea(row[3].view());
  std::copy_n(check.begin(), std::min(check.size(), wrapped.check.size()), wrapped.check.begin());
  return wrapped;
}

KeySet read_keys(TenantTx& tx, const crypto::Keyring& keyring, const crypto::Tenant& owner) {
  KeySet set;
  for (const auto& row : tx.exec(load_keys)) {
    auto key = keyring.unwrap(owner, wrapped_of(row)).value();
    const auto id = key.id;
    if (row[4].view() == "active") set.sealing_id = std::max(set.sealing_id, id);
    set.keys.emplace(id, std::make_shared<const crypto::TenantKey>(std::move(key)));
  }
  return set;
}

// Another process may be doing the same: the row that is there first is everybody's key. A key
// that has sealed its share ends here, while its holders' caches last.
KeySet ensure_keys(TenantTx& tx, const crypto::Keyring& keyring, const crypto::Tenant& owner) {
  if (!hold_tenant(tx)) throw Outage(Error{Errc::tenant_erased, "this user's data is erased"});
  // The lock first: who waited for it sees the other's key.
  const auto seals = tx.exec(count_seals).one_field().as<std::int64_t>();
  KeySet set = read_keys(tx, keyring, owner);
  if (set.sealing_id != 0 && seals < limits::seals_per_key_max) return set;
  if (set.sealing_id != 0) {
    tx.exec(end_key);
    tx.exec(restart_count);
  }
  const auto id = tx.exec(last_key).one_field().as<std::uint32_t>() + 1;
  const auto made = keyring.make_tenant_key(owner, id).value();
  tx.exec(add_key, pqxx::params{tx.user_hash(), made.key_id, made.kek_epoch,
                                binary(std::as_bytes(std::span(made.wrapped))),
                                binary(std::as_bytes(std::span(made.check)))});
  return read_keys(tx, keyring, owner);
}

}  // namespace

PgTenantKeys::PgTenantKeys(Pool& pool, const crypto::Keyring& keyring, TenantKeysOptions options)
    : pool_(pool),
      keyring_(keyring),
      cache_(std::make_shared<KeyCache>(options.cached_max, options.cached_for)) {}

PgTenantKeys::~PgTenantKeys() = default;

asio::awaitable<ports::TenantKeyPtr> PgTenantKeys::sealing_key(runtime::RequestContext context,
                                                               crypto::Tenant owner) {
  const auto start = runtime::Clock::now();
  if (const auto cached = cache_->find(owner, start); cached && cached->sealing_id != 0) {
    pool_.probe().key_cache_hits.Increment();
    co_return cached->find(cached->sealing_id);
  }
  pool_.probe().key_cache_misses.Increment();
  const auto epoch = cache_->epoch();
  auto work = [&keyring = keyring_, owner](TenantTx& tx) {
    return ensure_keys(tx, keyring, owner);
  };
  const auto keys = co_await in_tenant(pool_, std::move(context), owner, std::move(work));
  const auto now = runtime::Clock::now();
  pool_.probe().keys_s.Observe(std::chrono::duration<double>(now - start).count());
  cache_->put(owner, keys, now, epoch);
  co_return keys.find(keys.sealing_id);
}

asio::awaitable<ports::TenantKeyPtr> PgTenantKeys::opening_key(runtime::RequestContext context,
                                                               crypto::Tenant owner,
                                                               std::uint32_t key_id) {
  const auto start = runtime::Clock::now();
  if (const auto cached = cache_->find(owner, start)) {
    if (auto key = cached->find(key_id)) {
      pool_.probe().key_cache_hits.Increment();
      co_return key;
    }
  }
  pool_.probe().key_cache_misses.Increment();
  const auto epoch = cache_->epoch();
  auto work = [&keyring = keyring_, owner](TenantTx& tx) { return read_keys(tx, keyring, owner); };
  const auto keys = co_await in_tenant(pool_, std::move(context), owner, std::move(work));
  const auto now = runtime::Clock::now();
  pool_.probe().keys_s.Observe(std::chrono::duration<double>(now - start).count());
  if (!keys.keys.empty()) cache_->put(owner, keys, now, epoch);
  co_return keys.find(key_id);
}

asio::awaitable<void> PgTenantKeys::erase(runtime::RequestContext context, crypto::Tenant owner) {
  auto work = [cache = cache_, owner](TenantTx& tx) {
    tx.exec(tombstone_make, pqxx::params{tx.user_hash()});
    tx.exec(tombstone_lock);
    tx.exec(tombstone_set);
    for (const auto& statement : erase_rows) tx.exec(statement);
    cache->forget(owner);
    return Done{};
  };
  co_await in_tenant(pool_, std::move(context), owner, std::move(work));
  // Again, for a look-up that read the keys before the commit and cached them after the first.
  cache_->forget(owner);
  crypto::Sealer::forget_cached_keys();
}

}  // namespace memseal::postgres

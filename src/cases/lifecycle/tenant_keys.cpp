#include "cases/lifecycle/tenant_keys.hpp"

#include "base/limits.hpp"
#include "cases/lifecycle/internal/key_cache.hpp"
#include "pure/crypto/sealer.hpp"
#include "pure/policy/key_rotation.hpp"

#include <algorithm>
#include <utility>

namespace memseal::lifecycle {

namespace {

runtime::Counter& cache_counter(runtime::Metrics& metrics, const char* outcome) {
  return metrics.counter("memseal_tenant_key_cache_total", "Look-ups of unwrapped tenant keys.",
                         {{"outcome", outcome}});
}

// A full key ends when some process next asks the store for a key to seal with, and every process
// asks again at the latest when its cache entry expires. Until then holders of the old key may seal
// beyond seals_per_key_max: for cached_for, and for the database call that filled the entry. The
// rest of policy::seals_per_key_limit covers that up to this rate of one tenant over all processes.
constexpr std::int64_t tenant_seals_per_s_max = 400'000;
constexpr std::int64_t longest_call_s = 30;
static_assert(limits::seals_per_key_max +
                  (TenantKeysOptions{}.cached_for.count() + longest_call_s) *
                      tenant_seals_per_s_max <=
              policy::seals_per_key_limit);

[[noreturn]] void refuse_erased() {
  throw_failure({Errc::tenant_erased, "this user's data is erased"});
}

/// Whether the KEK that wraps the key is another one here than in the database.
/// REQUIRES: the keyring has one of this epoch.
bool has_other_kek(ports::KeyRows& rows, const crypto::Keyring& keyring, std::uint32_t epoch) {
  const auto recorded = rows.kek_check(epoch);
  return recorded && *recorded != keyring.kek_checks().at(epoch);
}

/// Throws Failure: a row that does not unwrap means a wrong keyring or a changed row, and then
/// nothing is sealed or opened for this tenant.
crypto::TenantKey unwrap(ports::KeyRows& rows, ports::KeyringSource& source,
                         std::shared_ptr<const crypto::Keyring>& keyring,
                         const crypto::Tenant& owner, const crypto::WrappedKey& wrapped) {
  auto key = keyring->unwrap(owner, wrapped);
  if (key) return std::move(key).value();
  keyring = source.latest();
  key = keyring->unwrap(owner, wrapped);
  if (key) return std::move(key).value();
  // This process has not the keyring that the row needs. It is no fault of the tenant's event or
  // question, so ingest must wait for an operator and not refuse the event.
  if (key.error().code == Errc::key_missing)
    throw_failure({Errc::bad_config, key.error().message, "seal.keyring_file"});
  if (has_other_kek(rows, *keyring, wrapped.kek_epoch))
    throw_failure({Errc::bad_config,
                   "key-encryption key " + std::to_string(wrapped.kek_epoch) +
                       " is another one than the database records: give this process the newest "
                       "keyring",
                   "seal.keyring_file"});
  throw_failure(key.error());
}

KeySet read_keys(ports::KeyRows& rows, ports::KeyringSource& source, const crypto::Tenant& owner) {
  KeySet set;
  // Before the rows, because a KEK leaves a keyring only when no row needs it any more.
  auto keyring = source.now();
  for (const auto& row : rows.read()) {
    auto key = unwrap(rows, source, keyring, owner, row.key);
    const auto id = key.id;
    // One row is active. The newest wins should there be more.
    if (row.active) set.sealing_id = std::max(set.sealing_id, id);
    set.keys.emplace(id, std::make_shared<const crypto::TenantKey>(std::move(key)));
  }
  return set;
}

void make_next_key(ports::KeyRows& rows, ports::KeyringSource& keyring,
                   const crypto::Tenant& owner) {
  // newest_id() counts keys that are no longer readable too. A generation that came twice would
  // bind new blobs to the id of an old key.
  const auto made = keyring.latest()->make_tenant_key(owner, rows.newest_id() + 1);
  rows.insert_if_absent(made.value());
}

void end_key(ports::KeyRows& rows) {
  rows.end_active();
  rows.restart_seal_count();
}

KeySet ensure_keys(ports::KeyRows& rows, ports::KeyringSource& keyring,
                   const crypto::Tenant& owner) {
  // Before anything else, because an erased tenant must not get a new key.
  if (!rows.lock_tenant()) refuse_erased();
  // Lock before reading: a process that waited for the lock then reads the key the other one made.
  const auto seals = rows.lock_seal_count();
  KeySet set = read_keys(rows, keyring, owner);
  const auto step = policy::next_key_step(set.sealing_id != 0, seals);
  if (step == policy::KeyStep::keep) return set;
  if (step == policy::KeyStep::replace) end_key(rows);
  make_next_key(rows, keyring, owner);
  return read_keys(rows, keyring, owner);
}

}  // namespace

KeyMetrics::KeyMetrics(runtime::Metrics& metrics)
    : cache_hits(cache_counter(metrics, "hit")), cache_misses(cache_counter(metrics, "miss")) {}

CachedTenantKeys::CachedTenantKeys(ports::KeyStore& store, ports::KeyringSource& keyring,
                                   KeyMetrics& metrics, TenantKeysOptions options)
    : store_(store),
      keyring_(std::shared_ptr<ports::KeyringSource>(), &keyring),
      metrics_(metrics),
      cache_(std::make_shared<KeyCache>(options.cached_max, options.cached_for)) {}

CachedTenantKeys::CachedTenantKeys(ports::KeyStore& store, const crypto::Keyring& keyring,
                                   KeyMetrics& metrics, TenantKeysOptions options)
    : store_(store),
      keyring_(std::make_shared<ports::FixedKeyring>(keyring)),
      metrics_(metrics),
      cache_(std::make_shared<KeyCache>(options.cached_max, options.cached_for)) {}

CachedTenantKeys::~CachedTenantKeys() = default;

asio::awaitable<ports::TenantKeyPtr> CachedTenantKeys::sealing_key(runtime::RequestContext context,
                                                                   crypto::Tenant owner) {
  return find_sealing_key(std::move(context), owner, Strangers::get_a_key);
}

asio::awaitable<ports::TenantKeyPtr> CachedTenantKeys::known_sealing_key(
    runtime::RequestContext context, crypto::Tenant owner) {
  return find_sealing_key(std::move(context), owner, Strangers::get_none);
}

asio::awaitable<ports::TenantKeyPtr> CachedTenantKeys::find_sealing_key(
    runtime::RequestContext context, crypto::Tenant owner, Strangers strangers) {
  if (const auto cached = cache_->find(owner, runtime::Clock::now());
      cached && cached->sealing_id != 0) {
    metrics_.cache_hits.Increment();
    co_return cached->find(cached->sealing_id);
  }
  metrics_.cache_misses.Increment();
  // Before the database is asked: an erasure from here on makes put() drop the set.
  const auto epoch = cache_->epoch();
  const auto keys = std::make_shared<KeySet>();
  // The store may still run `work` when the caller has stopped waiting, so `work` shares `keys` and
  // owns `owner`. The keyring outlives the store's threads.
  std::function<void(ports::KeyRows&)> work = [keyring = keyring_, owner, keys,
                                               strangers](ports::KeyRows& rows) {
    if (strangers == Strangers::get_a_key || rows.knows_tenant())
      *keys = ensure_keys(rows, *keyring, owner);
  };
  co_await store_.in_transaction(std::move(context), owner, std::move(work));
  if (keys->sealing_id == 0) co_return nullptr;
  cache_->put(owner, *keys, runtime::Clock::now(), epoch);
  co_return keys->find(keys->sealing_id);
}

asio::awaitable<ports::TenantKeyPtr> CachedTenantKeys::opening_key(runtime::RequestContext context,
                                                                   crypto::Tenant owner,
                                                                   std::uint32_t key_id) {
  if (const auto cached = cache_->find(owner, runtime::Clock::now())) {
    if (auto key = cached->find(key_id)) {
      metrics_.cache_hits.Increment();
      co_return key;
    }
  }
  metrics_.cache_misses.Increment();
  const auto epoch = cache_->epoch();
  const auto keys = std::make_shared<KeySet>();
  std::function<void(ports::KeyRows&)> work = [keyring = keyring_, owner,
                                               keys](ports::KeyRows& rows) {
    *keys = read_keys(rows, *keyring, owner);
    // Whoever read rows just before their erasure must not take them for damaged ones.
    if (keys->keys.empty() && rows.is_erased()) refuse_erased();
  };
  co_await store_.in_transaction(std::move(context), owner, std::move(work));
  // This look-up has not asked whether the active key is full, so it must not let anyone seal:
  // else a tenant that is queried often would keep a full key for ever.
  keys->sealing_id = 0;
  if (!keys->keys.empty()) cache_->put(owner, *keys, runtime::Clock::now(), epoch);
  co_return keys->find(key_id);
}

asio::awaitable<void> CachedTenantKeys::begin_generation(runtime::RequestContext context,
                                                         crypto::Tenant owner) {
  std::function<void(ports::KeyRows&)> work = [keyring = keyring_, owner](ports::KeyRows& rows) {
    if (!rows.knows_tenant()) return;
    if (!rows.lock_tenant()) refuse_erased();
    rows.lock_seal_count();
    end_key(rows);
    make_next_key(rows, *keyring, owner);
  };
  co_await store_.in_transaction(std::move(context), owner, std::move(work));
  forget(owner);
}

void CachedTenantKeys::forget(const crypto::Tenant& owner) {
  cache_->forget(owner);
  crypto::Sealer::forget_cached_keys();
}

void CachedTenantKeys::forget_all() {
  cache_->forget_all();
  crypto::Sealer::forget_cached_keys();
}

}  // namespace memseal::lifecycle

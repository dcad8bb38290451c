#pragma once
#include "ports/key_store.hpp"
#include "ports/keyring_source.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"
#include "runtime/metrics.hpp"

#include <chrono>
#include <cstddef>
#include <memory>

namespace memseal::lifecycle {

namespace asio = boost::asio;

class KeyCache;

struct TenantKeysOptions {
  std::size_t cached_max = 4'096;         ///< tenants whose unwrapped keys are kept
  std::chrono::seconds cached_for{300};   ///< bounds how long a key lives on after an erasure that
                                          ///< this process did not hear of
};

/// What the cache of tenant keys counts. One per process. Any thread.
struct KeyMetrics {
  explicit KeyMetrics(runtime::Metrics& metrics);

  runtime::Counter& cache_hits;           ///< memseal_tenant_key_cache_total{outcome="hit"}
  runtime::Counter& cache_misses;         ///< memseal_tenant_key_cache_total{outcome="miss"}
};

/// Tenants' content keys from `store`, unwrapped by `keyring` and cached. Makes a tenant's first
/// key, and the next one when a key has sealed its share (policy::next_key_step).
/// If two processes make a key at once, the first committed row is the key of both.
/// A key that is wrapped by a KEK which `keyring` does not have yet makes it look again, so that
/// reading goes on while another process rotates the KEK. A new key is wrapped by the KEK that is
/// the current one after a look.
/// Any executor, any thread.
/// Lifetime: `store` and `metrics` outlive it; `keyring` outlives the threads of `store`.
class CachedTenantKeys final : public ports::TenantKeys {
 public:
  CachedTenantKeys(ports::KeyStore& store, ports::KeyringSource& keyring, KeyMetrics& metrics,
                   TenantKeysOptions options = {});
  /// For a process with one keyring for its life.
  CachedTenantKeys(ports::KeyStore& store, const crypto::Keyring& keyring, KeyMetrics& metrics,
                   TenantKeysOptions options = {});
  ~CachedTenantKeys() override;

  asio::awaitable<ports::TenantKeyPtr> sealing_key(runtime::RequestContext context,
                                                   crypto::Tenant owner) override;
  asio::awaitable<ports::TenantKeyPtr> known_sealing_key(runtime::RequestContext context,
                                                         crypto::Tenant owner) override;
  asio::awaitable<ports::TenantKeyPtr> opening_key(runtime::RequestContext context,
                                                   crypto::Tenant owner,
                                                   std::uint32_t key_id) override;

  /// Ends the tenant's key for sealing and makes its next generation. What the old one sealed still
  /// opens. Does nothing for a tenant that has no row. Throws as sealing_key().
  asio::awaitable<void> begin_generation(runtime::RequestContext context, crypto::Tenant owner);

  /// Drops the cached keys of a tenant that was erased. A look-up that is under way caches none.
  void forget(const crypto::Tenant& owner);
  /// The same of all tenants, for a process that cannot know which were erased.
  void forget_all();

 private:
  enum class Strangers { get_a_key, get_none };
  asio::awaitable<ports::TenantKeyPtr> find_sealing_key(runtime::RequestContext context,
                                                        crypto::Tenant owner, Strangers strangers);

  ports::KeyStore& store_;
  const std::shared_ptr<ports::KeyringSource> keyring_;  // work on the store's threads shares it
  KeyMetrics& metrics_;
  std::shared_ptr<KeyCache> cache_;
};

}  // namespace memseal::lifecycle

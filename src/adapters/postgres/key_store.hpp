#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"

#include <chrono>
#include <cstddef>
#include <memory>

namespace memseal::postgres {

class KeyCache;

struct TenantKeysOptions {
  std::size_t cached_max = 4'096;         ///< tenants whose keys are kept unwrapped
  std::chrono::seconds cached_for{300};   ///< bounds how long an erased tenant's key lives on
};

/// Tenants' content keys from app.tenant_keys, unwrapped by the keyring. Two processes that make
/// a tenant's first key at once agree on one. Any executor, any thread.
/// `pool` outlives it, `keyring` outlives `pool`.
class PgTenantKeys final : public ports::TenantKeys {
 public:
  PgTenantKeys(Pool& pool, const crypto::Keyring& keyring, TenantKeysOptions options = {});
  ~PgTenantKeys() override;

  asio::awaitable<ports::TenantKeyPtr> sealing_key(runtime::RequestContext context,
                                                   crypto::Tenant owner) override;
  asio::awaitable<ports::TenantKeyPtr> opening_key(runtime::RequestContext context,
                                                   crypto::Tenant owner,
                                                   std::uint32_t key_id) override;

  /// Erases a tenant for ever: tombstone, keys, documents, chunks and ledger in one transaction,
  /// then this process's cached keys. Other processes forget within `cached_for`. Idempotent.
  asio::awaitable<void> erase(runtime::RequestContext context, crypto::Tenant owner);

 private:
  Pool& pool_;
  const crypto::Keyring& keyring_;
  std::shared_ptr<KeyCache> cache_;
};

}  // namespace memseal::postgres

#pragma once
#include "adapters/postgres/pool.hpp"
#include "ports/key_store.hpp"

namespace memseal::postgres {

/// Wrapped keys in app.tenant_keys; the tenant's tombstone and seal count in app.tenants.
/// Thread: any. Lifetime: `pool` outlives it.
class PgKeyStore final : public ports::KeyStore {
 public:
  explicit PgKeyStore(Pool& pool) : pool_(pool) {}

  asio::awaitable<void> in_transaction(runtime::RequestContext context, crypto::Tenant owner,
                                       std::function<void(ports::KeyRows&)> work) override;

 private:
  Pool& pool_;
};

}  // namespace memseal::postgres

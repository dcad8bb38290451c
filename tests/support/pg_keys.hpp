#pragma once
// The tenant keys of one process on a test's database.
#include "adapters/postgres/key_store.hpp"
#include "cases/lifecycle/tenant_keys.hpp"

namespace memseal::test {

/// A cache of its own over the rows that all processes share. `pool` and `keyring` outlive it.
struct ProcessKeys {
  ProcessKeys(postgres::Pool& pool, const crypto::Keyring& keyring)
      : store(pool), keys(store, keyring, counts) {}

  runtime::Metrics metrics;
  lifecycle::KeyMetrics counts{metrics};
  postgres::PgKeyStore store;
  lifecycle::CachedTenantKeys keys;
};

}  // namespace memseal::test

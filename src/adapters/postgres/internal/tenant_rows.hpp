#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"

#include <span>

namespace memseal::postgres {

/// Makes the tenant's row if there is none and holds it against erasure until the transaction
/// ends (FOR KEY SHARE). False: the tenant is erased.
bool hold_tenant(TenantTx& tx);

/// A binary parameter over bytes that outlive the call.
inline pqxx::bytes_view binary(std::span<const std::byte> bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace memseal::postgres

#pragma once
#include "adapters/postgres/internal/tenant_tx.hpp"

namespace memseal::postgres {

/// Makes the tenant's row where there is none, and locks it against erasure (FOR KEY SHARE) until
/// the transaction ends. False: the tenant is erased.
bool lock_tenant_row(TenantTx& tx);

}  // namespace memseal::postgres

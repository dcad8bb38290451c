#pragma once
// Format SB1 by the hash of its user, as the library of include/memseal/ needs it. Inside memseal
// every other caller uses Sealer, because Sealer asks for a Tenant.
#include "pure/crypto/sealer.hpp"

namespace memseal::crypto {

/// As Sealer::seal and Sealer::open.
Result<Bytes> seal_sb1(const UserHash& user, const TenantKey& key, Field field,
                       const SealBinding& binding, ByteView plain);
Result<SecretBytes> open_sb1(const UserHash& user, const TenantKey& key, Field field,
                             const SealBinding& binding, ByteView sealed);

}  // namespace memseal::crypto

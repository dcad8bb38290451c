#pragma once
// Proofs that need no database: sealing and the root keys.
#include "adapters/postgres/verify.hpp"
#include "pure/crypto/keyring.hpp"

#include <vector>

namespace memseal::app {

using postgres::Proof;

/// Seals a text under new keys and tries to open it after every change that an attacker with the
/// database could make: each byte, and another tenant, row, document, position, field or key.
std::vector<Proof> verify_seal();

/// Makes, wraps and unwraps a tenant's key by the root keys of `keyring`. Writes nothing.
std::vector<Proof> verify_keyring(const crypto::Keyring& keyring);

}  // namespace memseal::app

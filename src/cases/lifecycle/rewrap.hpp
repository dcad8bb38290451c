#pragma once
#include "ports/key_table.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/tenant.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace memseal::lifecycle {

/// What a walk over all wrapped keys found.
struct KeyWalk {
  std::int64_t sound = 0;       ///< rewrap: wrapped again; verify: they open
  std::int64_t unopened = 0;    ///< damaged, or wrapped by a KEK that the keyring does not have
};

/// Is told after each batch how many keys were handled. What it throws ends the walk; batches
/// before that last.
using KeyProgress = std::function<void(std::int64_t keys)>;

inline constexpr std::size_t rewrap_batch_keys = 500;

/// Wraps every tenant's key that another KEK wraps by the current one of `keyring`. The keys stay
/// the same, so nothing that they sealed changes. May be ended at any time and called again: what
/// is done stays done. Goes round until it meets nothing new, because processes that still have the
/// old keyring may add keys meanwhile. A key that does not open stays and is counted.
/// Throws Failure, from `table` and from sealing.
KeyWalk rewrap_keys(ports::KeyTable& table, const crypto::Keyring& keyring,
                    const KeyProgress& progress, std::size_t batch_keys = rewrap_batch_keys);

/// Unwraps every tenant's key, and changes nothing.
KeyWalk verify_keys(ports::KeyTable& table, const crypto::Keyring& keyring,
                    const KeyProgress& progress);

}  // namespace memseal::lifecycle

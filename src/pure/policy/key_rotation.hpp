#pragma once
// When a tenant gets a content key (DEK), and when a new key replaces it.
#include "base/limits.hpp"

#include <cstdint>

namespace memseal::policy {

/// Most seals that one key may ever make: AES-GCM with random 96-bit nonces (NIST SP 800-38D).
/// A key is replaced at limits::seals_per_key_max already, because only committed seals are counted
/// and other processes hold the key in their caches for a while after it ends.
inline constexpr std::int64_t seals_per_key_limit = std::int64_t{1} << 28;
static_assert(limits::seals_per_key_max < seals_per_key_limit);

/// What a process that wants to seal must do first.
enum class KeyStep {
  keep,        ///< seal with the active key
  make_first,  ///< no key is active: make one
  replace,     ///< the active key reached its limit: end it, then make its successor
};

/// Decides by the tenant's rows. `seals`: counted since the active key began.
/// `seals_max`: at this number the key is replaced.
KeyStep next_key_step(bool has_active, std::int64_t seals,
                      std::int64_t seals_max = limits::seals_per_key_max) noexcept;

}  // namespace memseal::policy

#pragma once
// When a tenant's content key (DEK) is made, and when a new one takes over.
#include "base/limits.hpp"

#include <cstdint>
#include <string_view>

namespace memseal::policy {

/// Seals that one key must never exceed: AES-GCM with random 96-bit nonces. A key gives way at
/// limits::seals_per_key_max already, because only committed seals are counted, and because other
/// processes hold the key in their caches when it ends.
inline constexpr std::int64_t seals_per_key_limit = std::int64_t{1} << 28;
static_assert(limits::seals_per_key_max < seals_per_key_limit);

/// What a process that wants to seal must do first.
enum class KeyStep {
  keep,        ///< seal with the active key
  make_first,  ///< no key is active: make one
  replace,     ///< the active key has sealed its share: end it, then make its successor
};

/// "keep", "make_first" or "replace".
std::string_view key_step_name(KeyStep step) noexcept;

/// Decides from what the tenant's rows say. `seals`: counted since the active key began.
/// `seals_max`: share of one key; at the limit itself the key gives way.
KeyStep next_key_step(bool has_active, std::int64_t seals,
                      std::int64_t seals_max = limits::seals_per_key_max) noexcept;

}  // namespace memseal::policy

#pragma once
#include <array>
#include <cstdint>

namespace memseal::crypto {

using Nonce = std::array<std::uint8_t, 12>;

/// The next random 96-bit nonce of this thread. Drawn from the DRBG in blocks, since one draw
/// costs more than a seal; a forked child never uses what its parent had drawn.
/// Throws Outage when the generator has no entropy.
Nonce next_nonce();

}  // namespace memseal::crypto

#pragma once
#include <array>
#include <cstdint>

namespace memseal::crypto {

using Nonce = std::array<std::uint8_t, 12>;

/// The next random 96-bit nonce of this thread.
/// A thread draws nonces from the DRBG in blocks, because one draw costs more than a seal. A forked
/// child drops its parent's block, because both would use the same nonces.
/// Throws Outage when the generator has no entropy.
Nonce next_nonce();

/// A number that differs between a process and its forked child. Whoever counts nonces compares it,
/// because parent and child would count on from the same number under the same key.
std::uint64_t forks_seen();

}  // namespace memseal::crypto

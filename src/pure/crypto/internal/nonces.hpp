#pragma once
#include <array>
#include <cstdint>

namespace memseal::crypto {

using Nonce = std::array<std::uint8_t, 12>;

/// The next random 96-bit nonce of this thread.
/// A thread draws nonces from the DRBG in blocks, because one draw costs more than a seal. A forked
/// child drops its parent's block, because both would use the same nonces. So does a virtual
/// machine that goes on from a snapshot, by its clocks (is_stale). The kernel's randomness goes
/// into each draw, because a snapshot holds the DRBG's state too, and the kernel learns of a copy
/// from its hypervisor (VMGENID, Linux 5.18).
/// NOTE: a copy whose clock nobody has set yet may repeat what the thread would have drawn within a
///       second.
/// Throws Outage when the generator has no entropy.
Nonce next_nonce();

/// Two clocks of one moment, in milliseconds.
struct Clocks {
  std::int64_t monotonic_ms = 0, wall_ms = 0;
};

/// Whether random bytes that were drawn at `drawn` may not be used any more: they are older than a
/// second, or the wall clock has jumped since.
bool is_stale(const Clocks& drawn, const Clocks& now) noexcept;

/// A number that differs between a process and its forked child. Whoever counts nonces compares it,
/// because parent and child would count on from the same number under the same key.
std::uint64_t forks_seen();

}  // namespace memseal::crypto

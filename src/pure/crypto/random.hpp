#pragma once
#include "base/ids.hpp"

#include <cstdint>
#include <span>

namespace memseal::crypto {

/// Fills `out` from OpenSSL's DRBG, with the kernel's randomness in each draw, because a snapshot
/// of a machine holds the DRBG's state. Throws Outage when one of them has no entropy, because weak
/// bytes would be worse than none.
void fill_random(std::span<std::uint8_t> out);

/// Random UUID, version 4.
Uuid random_uuid();

}  // namespace memseal::crypto

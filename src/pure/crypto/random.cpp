#include "pure/crypto/random.hpp"

#include "base/result.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

namespace memseal::crypto {

// The kernel's randomness goes into each draw: a machine that goes on from a snapshot has the
// generator's state of before, and the kernel learns of that (internal/nonces.hpp).
void fill_random(std::span<std::uint8_t> out) {
  constexpr std::size_t call_max = 1u << 16;  // a request of a DRBG (NIST SP 800-90A, table 3)
  while (!out.empty()) {
    const auto part = out.first(std::min(out.size(), call_max));
    std::array<std::uint8_t, 32> fresh{};
    // Up to 256 bytes come whole once the kernel has been seeded (getrandom(2)).
    const bool drawn =
        ::getrandom(fresh.data(), fresh.size(), 0) == static_cast<ssize_t>(fresh.size()) &&
        EVP_RAND_generate(RAND_get0_public(nullptr), part.data(), part.size(), 0, 0, fresh.data(),
                          fresh.size()) == 1;
    if (!drawn) throw Outage({Errc::unavailable, "the random generator has no entropy"});
    out = out.subspan(part.size());
  }
}

Uuid random_uuid() {
  Uuid uuid;
  fill_random(uuid.bytes);
  // Version 4 and the variant of RFC 9562, section 5.4.
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

}  // namespace memseal::crypto

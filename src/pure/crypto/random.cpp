#include "pure/crypto/random.hpp"

#include "base/result.hpp"

#include <openssl/rand.h>

#include <algorithm>

namespace memseal::crypto {

void fill_random(std::span<std::uint8_t> out) {
  constexpr std::size_t call_max = 1u << 20;  // RAND_bytes counts in int
  while (!out.empty()) {
    const auto part = out.first(std::min(out.size(), call_max));
    if (RAND_bytes(part.data(), static_cast<int>(part.size())) != 1)
      throw Outage({Errc::unavailable, "the random generator has no entropy"});
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

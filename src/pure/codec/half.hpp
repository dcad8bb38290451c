#pragma once
// IEEE 754 binary16, the number of a halfvec.
#include <bit>
#include <cstdint>

namespace memseal::codec {

/// Rounds to nearest even; overflow becomes infinity.
/// Adding a power of two of the right size lets the FPU round values that become subnormal; integer
/// arithmetic on the bits rounds the others.
inline std::uint16_t half_bits(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u) {  // 65536 and above, infinities, NaN
    return static_cast<std::uint16_t>(sign | (magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u));
  }
  if (magnitude < 0x38800000u) {  // below 2^-14: subnormal as binary16
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign |
                                      (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1u;
  magnitude += 0xc8000fffu + odd;  // exponent 127 → 15, and half a unit in the last place
  return static_cast<std::uint16_t>(sign | (magnitude >> 13));
}

/// The reverse, exact. REQUIRES: `bits` is finite.
/// The bits of a half, moved to the place of a float's, make the value times 2^-112, also where the
/// half is subnormal.
inline float half_value(std::uint16_t bits) noexcept {
  const auto magnitude = std::bit_cast<float>((bits & 0x7fffu) << 13) * 0x1p112f;
  return (bits & 0x8000u) != 0 ? -magnitude : magnitude;
}

}  // namespace memseal::codec

#pragma once
// IEEE 754 binary16 as storage, on the host.
#include <bit>
#include <cstdint>

namespace memseal::kernels {

struct Half {
  std::uint16_t bits;
};

/// Rounds to nearest, ties to even; beyond 65,504 becomes infinity; NaN stays NaN.
constexpr Half to_half(float value) noexcept {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((word >> 16) & 0x8000u);
  const std::uint32_t magnitude = word & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<std::uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};
  if (magnitude < 0x33000001u) return {sign};  // at most half of the least subnormal
  const int exponent = static_cast<int>(magnitude >> 23) - 127;
  // Bits that are rounded away: 13 of a normal number, more of a subnormal one.
  const std::uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
  const int shift = exponent < -14 ? 13 + (-14 - exponent) : 13;
  std::uint32_t kept = fraction >> shift;
  const std::uint32_t rest = fraction & ((1u << shift) - 1u), middle = 1u << (shift - 1);
  if (rest > middle || (rest == middle && (kept & 1u) != 0)) ++kept;
  // Added, not or-ed: the fraction's leading one and a carry out of it both raise the exponent.
  const std::uint32_t field = exponent < -14 ? 0u : static_cast<std::uint32_t>(exponent + 14) << 10;
  return {static_cast<std::uint16_t>(sign | (field + kept))};
}

constexpr float to_float(Half value) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (value.bits >> 10) & 0x1fu, fraction = value.bits & 0x3ffu;
  if (exponent == 0x1fu) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
}

}  // namespace memseal::kernels

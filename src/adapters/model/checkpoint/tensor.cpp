#include "adapters/model/checkpoint/tensor.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace memseal::model {

float widen_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Half precision has 5 bits of exponent with bias 15 and 10 of fraction, single precision 8 with
// bias 127 and 23: the exponent grows by 112, the fraction moves up by 13.
float widen_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31u, fraction = bits & 0x3ffu;
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  // A subnormal: fraction x 2^-10 x 2^-14. As a float it is a normal number.
  const float tiny = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -tiny : tiny;
}

std::size_t Tensor::count() const noexcept {
  // Does not wrap: read_entry() has compared the product with the bytes of the file.
  std::size_t product = 1;
  for (const auto extent : shape) product *= extent;
  return product;
}

void Tensor::read(std::size_t first, std::span<float> out) const {
  MEMSEAL_ASSERT(first + out.size() <= count());
  if (type == DType::f32) {
    // Copied, because the header's length is arbitrary and the numbers may lie unaligned.
    std::memcpy(out.data(), bytes.data() + 4 * first, 4 * out.size());
    return;
  }
  MEMSEAL_ASSERT(type == DType::f16 || type == DType::bf16);
  const std::byte* from = bytes.data() + 2 * first;
  for (auto& value : out) {
    std::uint16_t half;
    std::memcpy(&half, from, 2);
    from += 2;
    value = type == DType::f16 ? widen_f16(half) : widen_bf16(half);
  }
}

std::vector<float> Tensor::floats() const {
  std::vector<float> values(count());
  read(0, values);
  return values;
}

bool Tensor::all_finite() const {
  // In parts, because a whole table as floats would double the memory that loading needs.
  std::array<float, 1024> part;
  for (std::size_t first = 0, total = count(); first < total; first += part.size()) {
    const std::span<float> values(part.data(), std::min(part.size(), total - first));
    read(first, values);
    float zero = 0;  // Stays 0 exactly as long as every value is finite.
    for (const float value : values) zero += value * 0.0f;
    if (zero != 0 || std::isnan(zero)) return false;
  }
  return true;
}

}  // namespace memseal::model

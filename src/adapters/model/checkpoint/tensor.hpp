#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace memseal::model {

enum class DType { f32, f16, bf16, other };

/// A tensor inside a mapped file: row-major, little-endian, possibly unaligned.
/// Valid as long as the file stays mapped.
struct Tensor {
  std::string name;
  DType type = DType::other;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;

  std::size_t count() const noexcept;
  /// Widens `out.size()` numbers from number `first` on. Only for f32, f16 and bf16.
  void read(std::size_t first, std::span<float> out) const;
  std::vector<float> floats() const;
  bool all_finite() const;
};

float widen_f16(std::uint16_t bits) noexcept;
float widen_bf16(std::uint16_t bits) noexcept;

}  // namespace memseal::model

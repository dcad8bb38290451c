#pragma once
// Products of 8-bit integers, in the instructions that machines have for them.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace memseal::model {

/// Rows of numbers from 0 to 255: x = (q - zero) * scale, where scale and zero are the row's own.
/// A row has `stride` bytes, of which those beyond its numbers may hold anything.
struct QuantisedRows {
  std::uint8_t* numbers = nullptr;
  float* scales = nullptr;
  std::int32_t* zeros = nullptr;
  std::size_t stride = 0;
};

/// The weights of one dense layer, each output with a scale of its own: w = q * scale, where q is
/// from -127 to 127. Packed for one Int8Ops. Each pointer is to `out` numbers.
struct Int8Weights {
  const std::int8_t* packed = nullptr;
  std::size_t in = 0, out = 0;
  const float* scales = nullptr;
  const float* bias = nullptr;
  const std::int32_t* sums = nullptr;  ///< of each output's numbers: `zero` is multiplied with it
};

/// What Int8Weights points to, but for `packed`.
struct Int8Layer {
  const std::int8_t* packed = nullptr;
  std::size_t in = 0;
  std::vector<float> scales, bias;
  std::vector<std::int32_t> sums;

  Int8Weights weights() const noexcept {
    return {packed, in, bias.size(), scales.data(), bias.data(), sums.data()};
  }
};

/// One instruction set's functions. Every set gives the same bits, because the sums are of integers
/// and the rest is rounded in the same order. Thread: any.
struct Int8Ops {
  const char* isa;
  std::size_t lanes;  ///< outputs that are packed side by side
  /// rows[i] = x[i, width]. A number that is not finite becomes any one. REQUIRES: width <= stride.
  void (*quantise)(const float* x, std::size_t count, std::size_t width, const QuantisedRows& rows);
  /// to[count, out] = rows W' + bias. REQUIRES: rows.stride is int8_stride(in).
  void (*multiply)(const QuantisedRows& rows, std::size_t count, const Int8Weights& weights,
                   float* to);
};

/// Bytes of a quantised row of `in` numbers: products take four at a time.
constexpr std::size_t int8_stride(std::size_t in) { return (in + 3) / 4 * 4; }
/// Bytes of packed weights.
std::size_t int8_packed_bytes(std::size_t in, std::size_t out, const Int8Ops& ops);
/// Rounds and packs weights[out, in] into `packed`, which holds int8_packed_bytes() zeros and
/// outlives the result. REQUIRES: finite numbers.
Int8Layer pack_int8(std::span<const float> weights, std::span<const float> bias, const Int8Ops& ops,
                    std::int8_t* packed);

/// The fastest set of this machine, or null where it has no instruction for 8-bit products: plain
/// code is slower than fp32 there.
const Int8Ops* fast_int8_ops();
/// Every set that this machine runs, the fastest first; the last is plain code. For tests.
std::vector<const Int8Ops*> runnable_int8_ops();

extern const Int8Ops int8_ops_avx512, int8_ops_avx, int8_ops_portable;

}  // namespace memseal::model

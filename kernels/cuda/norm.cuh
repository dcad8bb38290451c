#pragma once
// LayerNorm of a row that a warp holds in registers.
#include "portable.cuh"

namespace memseal::kernels::gpu {

inline constexpr int row_threads = 128;  // four rows for each block
inline constexpr int rows_a_block = row_threads / warp;

/// A row is read in chunks of four numbers; chunk `lane + 32 i` is the lane's i-th.
template <int Chunks>
struct Row {
  float x[Chunks][4];

  /// x += four halves of `from` for each of the lane's chunks.
  __device__ __forceinline__ void add(const Half* from, int chunks, int lane) {
#pragma unroll
    for (int i = 0; i < Chunks; ++i) {
      const int chunk = lane + i * warp;
      if (chunk >= chunks) continue;
      const uint2 four = reinterpret_cast<const uint2*>(from)[chunk];
      const float2 low = widen(four.x), high = widen(four.y);
      x[i][0] += low.x;
      x[i][1] += low.y;
      x[i][2] += high.x;
      x[i][3] += high.y;
    }
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < Chunks; ++i) x[i][0] = x[i][1] = x[i][2] = x[i][3] = 0;
  }

  /// Chunks beyond the row hold zeros, which do not change a sum. `square` skips them.
  __device__ __forceinline__ float sum() const {
    float all = 0;
#pragma unroll
    for (int i = 0; i < Chunks; ++i) all += (x[i][0] + x[i][1]) + (x[i][2] + x[i][3]);
    return warp_sum(all);
  }

  __device__ __forceinline__ float square_from(float mean, int chunks, int lane) const {
    float all = 0;
#pragma unroll
    for (int i = 0; i < Chunks; ++i) {
      if (lane + i * warp >= chunks) continue;
#pragma unroll
      for (int k = 0; k < 4; ++k) all += (x[i][k] - mean) * (x[i][k] - mean);
    }
    return warp_sum(all);
  }

  /// to = (x - mean) / sqrt(variance + eps) * gain + bias
  __device__ __forceinline__ void normalise(const float* gain, const float* bias, int chunks,
                                            float eps, int lane, Half* to) const {
    const float count = static_cast<float>(4 * chunks);
    const float mean = sum() / count;
    const float scale = inverse_sqrt(square_from(mean, chunks, lane) / count + eps);
#pragma unroll
    for (int i = 0; i < Chunks; ++i) {
      const int chunk = lane + i * warp;
      if (chunk >= chunks) continue;
      const float4 g = reinterpret_cast<const float4*>(gain)[chunk];
      const float4 b = reinterpret_cast<const float4*>(bias)[chunk];
      reinterpret_cast<uint2*>(to)[chunk] =
          uint2{narrow((x[i][0] - mean) * scale * g.x + b.x, (x[i][1] - mean) * scale * g.y + b.y),
                narrow((x[i][2] - mean) * scale * g.z + b.z, (x[i][3] - mean) * scale * g.w + b.w)};
    }
  }
};

/// Calls `launch_with<Chunks>()` with the smallest number of chunks per lane that holds a row.
#define MEMSEAL_BY_CHUNKS(hidden, launch_with)      \
  switch (((hidden) + 4 * warp - 1) / (4 * warp)) { \
    case 1:                                         \
      launch_with(1);                               \
      break;                                        \
    case 2:                                         \
      launch_with(2);                               \
      break;                                        \
    case 3:                                         \
      launch_with(3);                               \
      break;                                        \
    case 4:                                         \
      launch_with(4);                               \
      break;                                        \
    case 5:                                         \
      launch_with(5);                               \
      break;                                        \
    case 6:                                         \
      launch_with(6);                               \
      break;                                        \
    case 7:                                         \
      launch_with(7);                               \
      break;                                        \
    default:                                        \
      launch_with(8);                               \
      break;                                        \
  }

inline unsigned row_blocks(std::size_t rows) {
  return static_cast<unsigned>((rows + rows_a_block - 1) / rows_a_block);
}

}  // namespace memseal::kernels::gpu

// GELU, and the gathering of first rows. Each thread handles eight halves.
#include "portable.cuh"

namespace memseal::kernels::gpu {

namespace {

constexpr int threads = 256;
constexpr int halves_a_thread = 8;  // 16 bytes

/// x/2 (1 + erf(x/sqrt 2)), the exact GELU that BERT was trained with.
__device__ __forceinline__ float gelu_of(float x) {
  return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
}

__device__ __forceinline__ unsigned gelu_of(unsigned pair) {
  const float2 x = widen(pair);
  return narrow(gelu_of(x.x), gelu_of(x.y));
}

__global__ void __launch_bounds__(threads) gelu(Gelu work) {
  const auto at = static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x;
  if (at >= work.count / halves_a_thread) return;
  uint4& eight = reinterpret_cast<uint4*>(work.x)[at];
  eight = uint4{gelu_of(eight.x), gelu_of(eight.y), gelu_of(eight.z), gelu_of(eight.w)};
}

__global__ void __launch_bounds__(threads) take_first(TakeFirst work) {
  const auto width = work.hidden / halves_a_thread;
  const auto at = static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x;
  if (at >= work.sequences * width) return;
  const auto sequence = at / width;
  uint4 eight{0, 0, 0, 0};
  if (sequence < static_cast<std::size_t>(work.counts->sequences))
    eight = reinterpret_cast<const uint4*>(
        work.states)[static_cast<std::size_t>(work.starts[sequence]) * width + at % width];
  reinterpret_cast<uint4*>(work.first)[at] = eight;
}

Grid blocks_of(std::size_t halves) {
  const std::size_t count = halves / halves_a_thread;
  return Grid{static_cast<unsigned>((count + threads - 1) / threads)};
}

}  // namespace

void launch(const Gelu& work, Queue queue) {
  MEMSEAL_LAUNCH(gelu, blocks_of(work.count), threads, queue, work);
}

void launch(const TakeFirst& work, Queue queue) {
  MEMSEAL_LAUNCH(take_first, blocks_of(work.sequences * work.hidden), threads, queue, work);
}

}  // namespace memseal::kernels::gpu

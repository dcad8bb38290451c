// Attention of a cross-encoder's last layer: one query for each sequence. A block computes one
// sequence and head; a thread scores keys, then sums two columns of the values.
#include "portable.cuh"

namespace memseal::kernels::gpu {

namespace {

constexpr int threads = 128, warps = threads / warp;
constexpr int keys_max = 512;
constexpr float log2_e = 1.4426950408889634f;

/// The maximum or the sum of one number from each thread, returned to every thread. `shared` holds
/// one number for each warp.
template <bool Sum>
__device__ __forceinline__ float over_block(float value, float* shared) {
  value = Sum ? warp_sum(value) : warp_max(value);
  if (threadIdx.x % warp == 0) shared[threadIdx.x / warp] = value;
  __syncthreads();
  value = shared[0];
#pragma unroll
  for (int i = 1; i < warps; ++i) value = Sum ? value + shared[i] : fmaxf(value, shared[i]);
  __syncthreads();
  return value;
}

/// The dot product of D halves with D floats.
template <int D>
__device__ __forceinline__ float dot(const Half* key, const float* query) {
  float sum = 0;
#pragma unroll
  for (int chunk = 0; chunk < D / 8; ++chunk) {
    const uint4 eight = reinterpret_cast<const uint4*>(key)[chunk];
    const unsigned pairs[4] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 both = widen(pairs[i]);
      sum += both.x * query[chunk * 8 + 2 * i] + both.y * query[chunk * 8 + 2 * i + 1];
    }
  }
  return sum;
}

template <int D>
__global__ void __launch_bounds__(threads) attend_first(AttendFirst work) {
  constexpr int pairs = D / 2, groups = threads / pairs;
  MEMSEAL_SHARED(float, query, D);
  MEMSEAL_SHARED(float, weights, keys_max);
  MEMSEAL_SHARED(float, partial, groups* D);
  MEMSEAL_SHARED(float, of_warps, warps);
  const int thread = static_cast<int>(threadIdx.x), sequence = static_cast<int>(blockIdx.x);
  const std::size_t hidden = work.heads * D, stride = 2 * hidden;
  const std::size_t at = static_cast<std::size_t>(sequence) * hidden + blockIdx.y * D;
  if (sequence >= work.counts->sequences) {
    if (thread < pairs) reinterpret_cast<unsigned*>(work.context + at)[thread] = 0;
    return;
  }
  const int start = work.starts[sequence], length = work.starts[sequence + 1] - start;
  const Half* const key = work.fused + static_cast<std::size_t>(start) * stride + blockIdx.y * D;
  const Half* const value = key + hidden;
  if (thread < D)
    query[thread] = widen(work.query[at + thread]) * log2_e / sqrtf(static_cast<float>(D));
  __syncthreads();

  float most = -1e30f;
  for (int k = thread; k < length; k += threads) {
    weights[k] = dot<D>(key + static_cast<std::size_t>(k) * stride, query);
    most = fmaxf(most, weights[k]);
  }
  most = over_block<false>(most, of_warps);
  float total = 0;
  for (int k = thread; k < length; k += threads) {
    weights[k] = exp2f(weights[k] - most);
    total += weights[k];
  }
  total = over_block<true>(total, of_warps);  // its barriers also publish the weights

  const int pair = thread % pairs, group = thread / pairs;
  float low = 0, high = 0;
  for (int k = group; k < length; k += groups) {
    const float2 both = widen(
        reinterpret_cast<const unsigned*>(value + static_cast<std::size_t>(k) * stride)[pair]);
    low += weights[k] * both.x;
    high += weights[k] * both.y;
  }
  partial[group * D + 2 * pair] = low;
  partial[group * D + 2 * pair + 1] = high;
  __syncthreads();
  if (thread >= pairs) return;
  low = high = 0;
#pragma unroll
  for (int i = 0; i < groups; ++i) {
    low += partial[i * D + 2 * thread];
    high += partial[i * D + 2 * thread + 1];
  }
  reinterpret_cast<unsigned*>(work.context + at)[thread] = narrow(low / total, high / total);
}

}  // namespace

void launch(const AttendFirst& work, Queue queue) {
  const Grid grid{static_cast<unsigned>(work.sequences), static_cast<unsigned>(work.heads)};
  if (work.head_size == 64)
    MEMSEAL_LAUNCH(attend_first<64>, grid, threads, queue, work);
  else
    MEMSEAL_LAUNCH(attend_first<32>, grid, threads, queue, work);
}

}  // namespace memseal::kernels::gpu

// From states to results: pooler and classifier of a cross-encoder, the mean of an embedder. One
// block for each sequence.
#include "portable.cuh"

namespace memseal::kernels::gpu {

namespace {

constexpr int hidden_max = 1'024;
constexpr int score_threads = 256, score_warps = score_threads / warp;
constexpr int mean_threads = 512, mean_warps = mean_threads / warp;

/// Dot product, by one warp, of a row of halves with floats in shared memory.
__device__ __forceinline__ float warp_dot(const Half* row, const float* x, int hidden, int lane) {
  float sum = 0;
  for (int chunk = lane; chunk < hidden / 4; chunk += warp) {
    const uint2 four = reinterpret_cast<const uint2*>(row)[chunk];
    const float2 low = widen(four.x), high = widen(four.y);
    sum += low.x * x[4 * chunk] + low.y * x[4 * chunk + 1];
    sum += high.x * x[4 * chunk + 2] + high.y * x[4 * chunk + 3];
  }
  return warp_sum(sum);
}

__global__ void __launch_bounds__(score_threads) score_head(ScoreHead work) {
  MEMSEAL_SHARED(float, first, hidden_max);
  MEMSEAL_SHARED(float, of_warps, score_warps);
  if (static_cast<int>(blockIdx.x) >= work.counts->sequences) return;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % warp;
  const int hidden = static_cast<int>(work.hidden);
  const Half* const row = work.first + blockIdx.x * work.hidden;
  for (int i = thread; i < hidden; i += score_threads) first[i] = widen(row[i]);
  __syncthreads();
  float logit = 0;  // sum over this warp's outputs, the same in every lane
  for (int out = thread / warp; out < hidden; out += score_warps) {
    const float sum = warp_dot(work.pooler + out * work.hidden, first, hidden, lane);
    logit += tanhf(sum + work.pooler_bias[out]) * work.classifier[out];
  }
  if (lane == 0) of_warps[thread / warp] = logit;
  __syncthreads();
  if (thread != 0) return;
  logit = work.classifier_bias[0];
  for (int i = 0; i < score_warps; ++i) logit += of_warps[i];
  work.logits[blockIdx.x] = logit;
}

__global__ void __launch_bounds__(mean_threads) mean_head(MeanHead work) {
  MEMSEAL_SHARED(float, partial, hidden_max);
  MEMSEAL_SHARED(float, of_warps, mean_warps);
  if (static_cast<int>(blockIdx.x) >= work.counts->sequences) return;
  const int thread = static_cast<int>(threadIdx.x);
  const int hidden = static_cast<int>(work.hidden), pairs = hidden / 2;
  const int groups = mean_threads / pairs;  // threads that share a pair of columns
  const int pair = thread % pairs, group = thread / pairs;
  if (group < groups) {
    float low = 0, high = 0;
    for (int t = work.starts[blockIdx.x] + group; t < work.starts[blockIdx.x + 1]; t += groups) {
      const float2 both = widen(reinterpret_cast<const unsigned*>(
          work.states + static_cast<std::size_t>(t) * work.hidden)[pair]);
      low += both.x;
      high += both.y;
    }
    partial[group * hidden + 2 * pair] = low;
    partial[group * hidden + 2 * pair + 1] = high;
  }
  __syncthreads();
  float low = 0, high = 0;
  if (thread < pairs)
    for (int i = 0; i < groups; ++i) {
      low += partial[i * hidden + 2 * thread];
      high += partial[i * hidden + 2 * thread + 1];
    }
  const float square = warp_sum(low * low + high * high);
  if (thread % warp == 0) of_warps[thread / warp] = square;
  __syncthreads();
  float all = 0;
  for (int i = 0; i < mean_warps; ++i) all += of_warps[i];
  const float scale = inverse_sqrt(fmaxf(all, 1e-24f));
  if (thread >= pairs) return;
  float* const to = work.vectors + blockIdx.x * work.hidden;
  to[2 * thread] = low * scale;
  to[2 * thread + 1] = high * scale;
}

}  // namespace

void launch(const ScoreHead& work, Queue queue) {
  MEMSEAL_LAUNCH(score_head, Grid{static_cast<unsigned>(work.sequences)}, score_threads, queue,
                 work);
}

void launch(const MeanHead& work, Queue queue) {
  MEMSEAL_LAUNCH(mean_head, Grid{static_cast<unsigned>(work.sequences)}, mean_threads, queue, work);
}

}  // namespace memseal::kernels::gpu

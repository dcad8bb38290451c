// Attention of packed sequences: softmax(QK'/sqrt(d))V, without padding and without a matrix of
// scores in memory. A block computes 64 query rows of one sequence and head, a warp 16 of them.
// Keys and values come in tiles of 64 rows; the next tile is copied while the tensor cores work on
// this one. The softmax is computed online, to base 2, as in FlashAttention-2 (Dao 2023,
// arXiv:2307.08691, algorithm 1).
#include "portable.cuh"

namespace memseal::kernels::gpu {

namespace {

constexpr int rows = static_cast<int>(tile_rows), keys = 64, threads = 128;
constexpr int skew = 8;  // halves of padding, so that the rows of a matrix lie in different banks
constexpr int key_parts = keys / 8;  // a product is 8 keys wide
constexpr float log2_e = 1.4426950408889634f;
constexpr float masked_score = -1e30f;  // its exponential is 0

template <int D>
struct Tile {
  static constexpr int stride = D + skew;
  static constexpr int size = 64 * stride;
  static constexpr int chunks = D / 8;  // 16 bytes each
};

/// Starts copying 64 rows of D halves; rows from `left` on become zeros.
template <int D>
__device__ __forceinline__ void fetch(Half* tile, const Half* from, std::size_t stride, int left) {
  for (int i = static_cast<int>(threadIdx.x); i < 64 * Tile<D>::chunks; i += threads) {
    const int row = i / Tile<D>::chunks, chunk = i % Tile<D>::chunks;
    const bool valid = row < left;
    // Invalid rows take row 0's address: cp.async must not get an address beyond the memory.
    const Half* const source =
        from + (valid ? static_cast<std::size_t>(row) : 0) * stride + chunk * 8;
    copy_async(tile + row * Tile<D>::stride + chunk * 8, source, valid);
  }
}

/// A warp's 16 queries against a tile of keys. Lane l holds rows l / 4 and l / 4 + 8, and of each
/// part of eight keys the two from 2 (l % 4) on.
template <int D>
struct Warp {
  unsigned query[D / 16][4];
  float context[D / 8][4];
  float score[key_parts][4];
  float greatest[2], total[2];

  __device__ __forceinline__ void start(const Half* tile, int lane) {
#pragma unroll
    for (int part = 0; part < D / 16; ++part)
      load_matrices(query[part], tile + (lane % 16) * Tile<D>::stride + part * 16 + lane / 16 * 8);
#pragma unroll
    for (int part = 0; part < D / 8; ++part)
      context[part][0] = context[part][1] = context[part][2] = context[part][3] = 0;
    greatest[0] = greatest[1] = masked_score;
    total[0] = total[1] = 0;
  }

  __device__ __forceinline__ void multiply_keys(const Half* tile, int lane) {
#pragma unroll
    for (int part = 0; part < key_parts; ++part) {
      score[part][0] = score[part][1] = score[part][2] = score[part][3] = 0;
#pragma unroll
      for (int step = 0; step < D / 32; ++step) {
        unsigned key[4];  // 32 numbers of 8 keys
        load_matrices(key,
                      tile + (part * 8 + lane % 8) * Tile<D>::stride + step * 32 + lane / 8 * 8);
        multiply_add(score[part], query[2 * step], key[0], key[1]);
        multiply_add(score[part], query[2 * step + 1], key[2], key[3]);
      }
    }
  }

  /// Scales scores to base 2, and masks keys beyond the sequence.
  __device__ __forceinline__ void scale(float factor, int keys_left, int lane) {
#pragma unroll
    for (int part = 0; part < key_parts; ++part)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = part * 8 + lane % 4 * 2 + i % 2;
        score[part][i] = key < keys_left ? score[part][i] * factor : masked_score;
      }
  }

  __device__ __forceinline__ void update_softmax() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {  // the lane's two rows
      float most = greatest[half];
#pragma unroll
      for (int part = 0; part < key_parts; ++part)
        most = fmaxf(most, fmaxf(score[part][2 * half], score[part][2 * half + 1]));
      most = fmaxf(most, shuffle_xor(most, 1));
      most = fmaxf(most, shuffle_xor(most, 2));
      const float shrink = exp2f(greatest[half] - most);
      greatest[half] = most;
      total[half] *= shrink;
#pragma unroll
      for (int part = 0; part < key_parts; ++part)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          score[part][i] = exp2f(score[part][i] - most);
          total[half] += score[part][i];
        }
#pragma unroll
      for (int part = 0; part < D / 8; ++part) {
        context[part][2 * half] *= shrink;
        context[part][2 * half + 1] *= shrink;
      }
    }
  }

  __device__ __forceinline__ void multiply_values(const Half* tile, int lane) {
#pragma unroll
    for (int step = 0; step < keys / 16; ++step) {
      const float(&low)[4] = score[2 * step];
      const float(&high)[4] = score[2 * step + 1];
      const unsigned weight[4] = {narrow(low[0], low[1]), narrow(low[2], low[3]),
                                  narrow(high[0], high[1]), narrow(high[2], high[3])};
#pragma unroll
      for (int part = 0; part < D / 16; ++part) {
        unsigned value[4];  // 16 keys of 16 numbers
        load_matrices_transposed(
            value, tile + (step * 16 + lane % 16) * Tile<D>::stride + part * 16 + lane / 16 * 8);
        multiply_add(context[2 * part], weight, value[0], value[1]);
        multiply_add(context[2 * part + 1], weight, value[2], value[3]);
      }
    }
  }

  __device__ __forceinline__ void finish(Half* to, std::size_t stride, int rows_left, int lane) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = total[half];
      sum += shuffle_xor(sum, 1);
      sum += shuffle_xor(sum, 2);
      const int row = lane / 4 + 8 * half;
      if (row >= rows_left) continue;
      unsigned* const out =
          reinterpret_cast<unsigned*>(to + static_cast<std::size_t>(row) * stride) + lane % 4;
#pragma unroll
      for (int part = 0; part < D / 8; ++part)
        out[part * 4] = narrow(context[part][2 * half] / sum, context[part][2 * half + 1] / sum);
    }
  }
};

template <int D>
__global__ void __launch_bounds__(threads) attend(Attend work) {
  MEMSEAL_SHARED(Half, query_tile, Tile<D>::size);
  MEMSEAL_SHARED(Half, key_tiles, 2 * Tile<D>::size);
  MEMSEAL_SHARED(Half, value_tiles, 2 * Tile<D>::size);
  if (static_cast<int>(blockIdx.x) >= work.counts->tiles) return;
  const int tile = work.tiles[blockIdx.x];
  const int sequence = tile >> 16, first = (tile & 0xffff) * rows;
  const int start = work.starts[sequence], length = work.starts[sequence + 1] - start;
  const std::size_t hidden = work.heads * D, stride = 3 * hidden;
  const Half* const query = work.fused + static_cast<std::size_t>(start) * stride + blockIdx.y * D;
  const Half* const key = query + hidden;
  const Half* const value = key + hidden;
  const int lane = static_cast<int>(threadIdx.x) % warp,
            strip = static_cast<int>(threadIdx.x) / warp;

  fetch<D>(query_tile, query + static_cast<std::size_t>(first) * stride, stride, length - first);
  fetch<D>(key_tiles, key, stride, length);
  fetch<D>(value_tiles, value, stride, length);
  commit_copies();
  Warp<D> mine;
  const float factor = log2_e / sqrtf(static_cast<float>(D));
  for (int done = 0, turn = 0; done < length; done += keys, turn ^= 1) {
    const int next = done + keys;
    if (next < length) {
      const int other = (turn ^ 1) * Tile<D>::size;
      fetch<D>(key_tiles + other, key + static_cast<std::size_t>(next) * stride, stride,
               length - next);
      fetch<D>(value_tiles + other, value + static_cast<std::size_t>(next) * stride, stride,
               length - next);
    }
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    if (done == 0) mine.start(query_tile + strip * 16 * Tile<D>::stride, lane);
    mine.multiply_keys(key_tiles + turn * Tile<D>::size, lane);
    mine.scale(factor, length - done, lane);
    mine.update_softmax();
    mine.multiply_values(value_tiles + turn * Tile<D>::size, lane);
    __syncthreads();  // the next round writes into this round's tiles
  }
  Half* const to =
      work.context + static_cast<std::size_t>(start + first + strip * 16) * hidden + blockIdx.y * D;
  mine.finish(to, hidden, length - first - strip * 16, lane);
}

}  // namespace

void launch(const Attend& work, Queue queue) {
  const Grid grid{static_cast<unsigned>(work.tiles_max), static_cast<unsigned>(work.heads)};
  if (work.head_size == 64)
    MEMSEAL_LAUNCH(attend<64>, grid, threads, queue, work);
  else
    MEMSEAL_LAUNCH(attend<32>, grid, threads, queue, work);
}

}  // namespace memseal::kernels::gpu

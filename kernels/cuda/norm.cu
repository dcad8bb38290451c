// Word, position and type embeddings to states, and LayerNorm in place. One warp for each row,
// which the warp holds in registers.
#include "norm.cuh"

namespace memseal::kernels::gpu {

namespace {

template <int Chunks>
__global__ void __launch_bounds__(row_threads) embed_norm(EmbedNorm work) {
  const int lane = threadIdx.x % warp;
  const int row =
      static_cast<int>(blockIdx.x) * rows_a_block + static_cast<int>(threadIdx.x) / warp;
  if (row >= static_cast<int>(work.rows)) return;
  const int hidden = static_cast<int>(work.hidden), chunks = hidden / 4;
  const int id = work.ids[row];
  const auto word = static_cast<std::size_t>(id & 0x7fffffff),
             type = static_cast<std::size_t>(id < 0);
  Row<Chunks> state;
  state.clear();
  state.add(work.words + word * work.hidden, chunks, lane);
  state.add(work.places + work.positions[row] * work.hidden, chunks, lane);
  state.add(work.types + type * work.hidden, chunks, lane);
  state.normalise(work.gain, work.bias, chunks, work.eps, lane,
                  work.states + static_cast<std::size_t>(row) * work.hidden);
}

template <int Chunks>
__global__ void __launch_bounds__(row_threads) norm(Norm work) {
  const int lane = threadIdx.x % warp;
  const int row =
      static_cast<int>(blockIdx.x) * rows_a_block + static_cast<int>(threadIdx.x) / warp;
  if (row >= static_cast<int>(work.rows)) return;
  const int chunks = static_cast<int>(work.hidden) / 4;
  Half* const x = work.x + static_cast<std::size_t>(row) * work.hidden;
  Row<Chunks> state;
  state.clear();
  state.add(x, chunks, lane);
  state.normalise(work.gain, work.bias, chunks, work.eps, lane, x);
}

}  // namespace

void launch(const EmbedNorm& work, Queue queue) {
#define LAUNCH(chunks) \
  MEMSEAL_LAUNCH(embed_norm<chunks>, Grid{row_blocks(work.rows)}, row_threads, queue, work)
  MEMSEAL_BY_CHUNKS(work.hidden, LAUNCH)
#undef LAUNCH
}

void launch(const Norm& work, Queue queue) {
#define LAUNCH(chunks) \
  MEMSEAL_LAUNCH(norm<chunks>, Grid{row_blocks(work.rows)}, row_threads, queue, work)
  MEMSEAL_BY_CHUNKS(work.hidden, LAUNCH)
#undef LAUNCH
}

}  // namespace memseal::kernels::gpu

#pragma once
// A GPU's threads on the host: runs a kernel's own source with one fiber for each thread. Tests and
// sanitizers can thus check index arithmetic, barriers and warp-wide operations without a GPU.
// NOTE: shows neither speed nor the memory order of a real device.
#include "half.hpp"

#include <math.h>  // erff and its like, in the global namespace as in CUDA

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

namespace memseal::kernels::simt {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

inline constexpr unsigned warp_lanes = 32;

/// Which thread of a block runs first, and when asynchronous copies happen: when they are issued
/// (early), or only when they are waited for (late). A kernel that lacks a barrier or a wait gives
/// different results under some of these.
/// `one_warp_ahead`: the first warp runs as far as barriers allow, then the next.
enum class Order { ascending, descending, shuffled, one_warp_ahead };
enum class Copies { late, early };
void set_schedule(Order order, Copies copies);  ///< for this thread's later runs

/// Calls `body` for every thread of every block, block by block, on the calling thread.
/// Aborts if the threads of a block deadlock.
void run(Index grid, unsigned threads, const std::function<void()>& body);

/// Where a thread is in its grid.
struct ThreadPosition {
  Index thread, block, grid;
  unsigned threads = 0;
};
const ThreadPosition& position();  ///< of the thread that runs now

/// __syncthreads()
void barrier();

/// One step of a whole warp: `work` is called once, with every lane's `mine`.
void warp_step(void* mine, void (*work)(void* const* lanes));

/// cp.async
void copy_async(void* to, const void* from, std::size_t bytes, bool valid);
void commit_copies();
void wait_for_copies(unsigned groups_left);

}  // namespace memseal::kernels::simt

// The names that kernels use, spelt as CUDA spells them.
namespace memseal::kernels::gpu {

using Queue = int;
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define threadIdx (::memseal::kernels::simt::position().thread)
#define blockIdx (::memseal::kernels::simt::position().block)
#define MEMSEAL_SHARED(type, name, count) alignas(16) static type name[count]
#define MEMSEAL_LAUNCH(kernel, grid, threads, queue, ...) \
  (static_cast<void>(queue),                              \
   ::memseal::kernels::simt::run(grid, threads, [&] { kernel(__VA_ARGS__); }))

using Grid = simt::Index;

inline void __syncthreads() { simt::barrier(); }

inline float2 widen(unsigned pair) {
  return {to_float(Half{static_cast<std::uint16_t>(pair)}),
          to_float(Half{static_cast<std::uint16_t>(pair >> 16)})};
}
inline unsigned narrow(float low, float high) {
  return to_half(low).bits | static_cast<unsigned>(to_half(high).bits) << 16;
}
inline Half narrow(float value) { return to_half(value); }
inline float widen(Half value) { return to_float(value); }
inline float inverse_sqrt(float x) { return 1.0f / sqrtf(x); }

inline float shuffle_xor(float value, unsigned mask) {
  struct Lane {
    float value;
    unsigned mask;
    float other;
  } lane{value, mask, 0};
  simt::warp_step(&lane, [](void* const* lanes) {
    for (unsigned i = 0; i < simt::warp_lanes; ++i) {
      auto* const mine = static_cast<Lane*>(lanes[i]);
      mine->other = static_cast<const Lane*>(lanes[i ^ mine->mask])->value;
    }
  });
  return lane.other;
}

void load_matrices(unsigned (&to)[4], const Half* row);
void load_matrices_transposed(unsigned (&to)[4], const Half* row);
void multiply_add(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1);

inline void copy_async(void* shared, const void* global, bool valid) {
  simt::copy_async(shared, global, 16, valid);
}
inline void commit_copies() { simt::commit_copies(); }
template <int GroupsLeft>
void wait_for_copies() {
  simt::wait_for_copies(GroupsLeft);
}

}  // namespace memseal::kernels::gpu

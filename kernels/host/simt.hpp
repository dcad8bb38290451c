#pragma once
// A GPU's threads on the host: runs a kernel's own source, one fiber a thread, so that its index
// arithmetic, barriers and warp-wide operations can be tested, and seen by sanitizers, without a
// GPU. It says nothing about speed, nor about what memory order a real device may choose.
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

/// Which thread of a block goes on first, and when asynchronous copies happen: as soon as they are
/// asked for, or not before they are waited for. A kernel that lacks a barrier or a wait answers
/// differently. `one_warp_ahead`: the first warp goes as far as barriers let it, then the next.
enum class Order { ascending, descending, shuffled, one_warp_ahead };
enum class Copies { late, early };
void set_schedule(Order order, Copies copies);  ///< of what this thread runs from now on

/// Calls `body` for every thread of every block, block by block, in the calling thread. Aborts
/// when threads of a block wait for each other for ever.
void run(Index grid, unsigned threads, const std::function<void()>& body);

/// Of the thread that runs now.
struct Place {
  Index thread, block, grid;
  unsigned threads = 0;
};
const Place& place();

/// __syncthreads()
void barrier();

/// One step of a whole warp: `work` is called once with what each lane gave.
void together(void* mine, void (*work)(void* const* lanes));

/// cp.async
void copy_later(void* to, const void* from, std::size_t bytes, bool valid);
void commit_copies();
void wait_for_copies(unsigned groups_left);

}  // namespace memseal::kernels::simt

// The names that kernels use, as CUDA spells them.
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
#define threadIdx (::memseal::kernels::simt::place().thread)
#define blockIdx (::memseal::kernels::simt::place().block)
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
  simt::together(&lane, [](void* const* lanes) {
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
  simt::copy_later(shared, global, 16, valid);
}
inline void commit_copies() { simt::commit_copies(); }
template <int GroupsLeft>
void wait_for_copies() {
  simt::wait_for_copies(GroupsLeft);
}

}  // namespace memseal::kernels::gpu

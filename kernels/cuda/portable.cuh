#pragma once
// The language of the kernels: CUDA, or its emulation on the host (host/simt.hpp).
#include "../device.hpp"

#ifdef __CUDACC__

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "check.cuh"

namespace memseal::kernels::gpu {

using Queue = cudaStream_t;
using Grid = dim3;

#define MEMSEAL_SHARED(type, name, count) __shared__ alignas(16) type name[count]
// By the launch's own status: cudaGetLastError() would also report what another library left on
// this thread.
#define MEMSEAL_LAUNCH(kernel, grid, threads, queue, ...)                   \
  do {                                                                      \
    cudaLaunchConfig_t config{};                                            \
    config.gridDim = grid;                                                  \
    config.blockDim = dim3(threads);                                        \
    config.stream = queue;                                                  \
    check(cudaLaunchKernelEx(&config, kernel, __VA_ARGS__), #kernel);       \
  } while (false)

/// The two halves of a word as floats.
__device__ __forceinline__ float2 widen(unsigned pair) {
  return __half22float2(__halves2half2(__ushort_as_half(static_cast<unsigned short>(pair)),
                                       __ushort_as_half(static_cast<unsigned short>(pair >> 16))));
}
__device__ __forceinline__ unsigned narrow(float low, float high) {
  return __half_as_ushort(__float2half_rn(low)) |
         static_cast<unsigned>(__half_as_ushort(__float2half_rn(high))) << 16;
}
__device__ __forceinline__ Half narrow(float value) {
  return {__half_as_ushort(__float2half_rn(value))};
}
__device__ __forceinline__ float widen(Half value) {
  return __half2float(__ushort_as_half(value.bits));
}
__device__ __forceinline__ float inverse_sqrt(float x) { return rsqrtf(x); }

__device__ __forceinline__ float shuffle_xor(float value, unsigned mask) {
  return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(mask));
}

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

/// Loads four 8 x 8 matrices of halves. Lane 8m + r gives the address of row r of matrix m in
/// shared memory.
__device__ __forceinline__ void load_matrices(unsigned (&to)[4], const Half* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(unsigned (&to)[4], const Half* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}

/// sum[16, 8] += a[16, 16] b[16, 8]; each matrix is spread over the warp.
__device__ __forceinline__ void multiply_add(float (&sum)[4], const unsigned (&a)[4], unsigned b0,
                                             unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Copies 16 bytes to shared memory; zeros unless `valid`. REQUIRES: `global` is a device address,
/// even when not `valid`.
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int GroupsLeft>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GroupsLeft) : "memory");
}

}  // namespace memseal::kernels::gpu

#else
#include "../host/simt.hpp"
#endif

namespace memseal::kernels::gpu {

inline constexpr int warp = 32;

/// The sum over a warp, returned to every lane.
__device__ __forceinline__ float warp_sum(float value) {
  for (unsigned mask = warp / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}
__device__ __forceinline__ float warp_max(float value) {
  for (unsigned mask = warp / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(value, mask);
    value = value > other ? value : other;
  }
  return value;
}

/// Each enqueues one kernel. Throws DeviceError.
void launch(const EmbedNorm& work, Queue queue);
void launch(const Attend& work, Queue queue);
void launch(const Norm& work, Queue queue);
void launch(const Gelu& work, Queue queue);
void launch(const TakeFirst& work, Queue queue);
void launch(const AttendFirst& work, Queue queue);
void launch(const ScoreHead& work, Queue queue);
void launch(const MeanHead& work, Queue queue);

}  // namespace memseal::kernels::gpu

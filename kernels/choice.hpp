#pragma once
// What the CUDA device decides without calling CUDA, so that it is tested where no GPU is.
#include "memseal/kernels/engine.hpp"

#include <cstddef>
#include <functional>

namespace memseal::kernels {

/// The candidate whose trial took least; `trial(i)` returns the time of candidate i.
/// A candidate that cannot run is skipped: its trial throws a DeviceError that the device survives.
/// Throws what the last of them threw when none is left, and at once what the device does not
/// survive: lost (Hung too), restart, out_of_memory. REQUIRES: count > 0.
std::size_t fastest(std::size_t count, const std::function<float(std::size_t)>& trial);

/// The fault that a cudaError_t stands for. REQUIRES: it is not cudaSuccess.
Fault fault_of_cuda(int status) noexcept;

/// The fault that a cublasStatus_t stands for. REQUIRES: it is not CUBLAS_STATUS_SUCCESS.
Fault fault_of_cublas(int status) noexcept;

/// True for a cudaError_t of which CUDA's headers say that the process must be terminated and
/// relaunched to go on. Where reopening the device gives such an error again, only that helps.
bool outlives_a_reset(int status) noexcept;

}  // namespace memseal::kernels

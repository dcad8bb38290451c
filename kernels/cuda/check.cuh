#pragma once
#include "memseal/kernels/engine.hpp"

#include <cuda_runtime.h>

namespace memseal::kernels::gpu {

/// Throws DeviceError, naming what was asked, unless `status` is success.
void check(cudaError_t status, const char* what);

}  // namespace memseal::kernels::gpu

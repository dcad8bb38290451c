#include "emulated_device.hpp"

#include "cuda/portable.cuh"

namespace memseal::kernels {

void EmulatedDevice::compute(const EmbedNorm& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const Attend& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const Norm& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const Gelu& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const TakeFirst& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const AttendFirst& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const ScoreHead& work) { gpu::launch(work, {}); }
void EmulatedDevice::compute(const MeanHead& work) { gpu::launch(work, {}); }

}  // namespace memseal::kernels

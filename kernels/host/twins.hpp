#pragma once
// Each kernel in plain C++, with sums in double and one rounding at the end. Tests compare the
// kernels with them, and the host device computes with them. All pointers are host memory.
#include "device.hpp"

namespace memseal::kernels::twin {

void run(const EmbedNorm& work);
void run(const Gemm& work);
void run(const Attend& work);
void run(const Norm& work);
void run(const Gelu& work);
void run(const TakeFirst& work);
void run(const AttendFirst& work);
void run(const ScoreHead& work);
void run(const MeanHead& work);

}  // namespace memseal::kernels::twin

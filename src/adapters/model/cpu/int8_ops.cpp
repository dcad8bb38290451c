#include "adapters/model/cpu/int8_ops.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace memseal::model {

namespace {

#if defined(__x86_64__)
/// AVX-VNNI: CPUID leaf 7, subleaf 1, EAX bit 4. The compilers' own check does not know its name.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || a < 1) return false;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0) return false;
  return (a >> 4 & 1) != 0;
}
#endif

std::size_t panels_of(std::size_t out, const Int8Ops& ops) {
  return (out + ops.lanes - 1) / ops.lanes;
}

}  // namespace

std::size_t int8_packed_bytes(std::size_t in, std::size_t out, const Int8Ops& ops) {
  return panels_of(out, ops) * ops.lanes * int8_stride(in);
}

Int8Layer pack_int8(std::span<const float> weights, std::span<const float> bias, const Int8Ops& ops,
                    std::int8_t* packed) {
  const auto out = bias.size(), in = weights.size() / out, stride = int8_stride(in);
  MEMSEAL_ASSERT(weights.size() == in * out);
  Int8Layer made{.packed = packed, .in = in, .scales = {}, .bias = {}, .sums = {}};
  made.bias.assign(bias.begin(), bias.end());
  for (std::size_t n = 0; n < out; ++n) {
    const auto row = weights.subspan(n * in, in);
    float greatest = 0;
    for (const float w : row) greatest = std::max(greatest, std::abs(w));
    const float scale = greatest > 0 ? greatest / 127 : 1;
    // Panels of `lanes` outputs; in a panel, four inputs of each output follow each other.
    std::int8_t* const panel = packed + n / ops.lanes * ops.lanes * stride + n % ops.lanes * 4;
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < in; ++k) {
      const auto q =
          static_cast<std::int8_t>(std::clamp(std::nearbyint(row[k] / scale), -127.0f, 127.0f));
      panel[k / 4 * 4 * ops.lanes + k % 4] = q;
      sum += q;
    }
    made.scales.push_back(scale);
    made.sums.push_back(sum);
  }
  return made;
}

std::vector<const Int8Ops*> runnable_int8_ops() {
  std::vector<const Int8Ops*> sets;
#if defined(__x86_64__)
  // The compiler's run-time check also asks whether the system saves the wide registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
    sets.push_back(&int8_ops_avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_avx_vnni())
    sets.push_back(&int8_ops_avx);
#endif
  sets.push_back(&int8_ops_portable);
  return sets;
}

const Int8Ops* fast_int8_ops() {
  static const Int8Ops* const first = runnable_int8_ops().front();
  return first == &int8_ops_portable ? nullptr : first;
}

}  // namespace memseal::model

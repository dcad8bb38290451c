#include "pure/matrix/scan_ops.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace memseal::matrix {

#if defined(__x86_64__)
namespace {

// Conversion of halves is bit 29 of ECX of leaf 1; clang 14 has no name for it.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && ((c >> 29) & 1u) != 0;
}

}  // namespace
#endif

std::vector<const ScanOps*> runnable_scan_ops() {
  std::vector<const ScanOps*> sets;
#if defined(__x86_64__)
  // The compiler's run-time check also asks whether the system saves the wide registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    sets.push_back(&scan_ops_avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
    sets.push_back(&scan_ops_avx2);
#endif
  sets.push_back(&scan_ops_baseline);
  return sets;
}

const ScanOps& best_scan_ops() {
  static const ScanOps& best = *runnable_scan_ops().front();
  return best;
}

}  // namespace memseal::matrix

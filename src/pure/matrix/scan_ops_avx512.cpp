#include "pure/matrix/scan_ops.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

// The program is built for the least machine, and only the functions below get more instructions.
// The includes above stay outside: their inline functions are shared with files for every machine.
#if defined(__clang__)
#pragma clang attribute push(                                                        \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c"))),     \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c")
#endif
#define MEMSEAL_ISA avx512
#define MEMSEAL_LANES 16
#include "pure/matrix/scan_ops_body.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace memseal::matrix {

const ScanOps scan_ops_avx512 = {"avx512", avx512::dots, avx512::squares};

}  // namespace memseal::matrix
#endif

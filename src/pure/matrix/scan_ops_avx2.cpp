#include "pure/matrix/scan_ops.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

// The program is built for the least machine, and only the functions below get more instructions.
// The includes above stay outside: their inline functions are shared with files for every machine.
#if defined(__clang__)
#pragma clang attribute push(                                                   \
    __attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#define MEMSEAL_ISA avx2
#define MEMSEAL_LANES 8
#include "pure/matrix/scan_ops_body.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace memseal::matrix {

const ScanOps scan_ops_avx2 = {"avx2", avx2::dots, avx2::squares};

}  // namespace memseal::matrix
#endif

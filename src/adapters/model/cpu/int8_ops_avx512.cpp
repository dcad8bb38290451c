#include "adapters/model/cpu/int8_ops.hpp"

#include <immintrin.h>

// The program is built for the least machine, and only the functions below get more instructions.
// The includes above stay outside. No product is contracted with a sum, so that every set gives the
// same bits.
#if defined(__clang__)
#pragma clang attribute push(                                                      \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2"))), \
    apply_to = function)
#pragma clang fp contract(off)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2")
#pragma GCC optimize("fp-contract=off")
#endif
#define MEMSEAL_ISA int8_avx512
#define MEMSEAL_LANES 16
#define MEMSEAL_ROWS 6
#define MEMSEAL_PANELS 4
#define MEMSEAL_DOT(sums, four, weights)                                      \
  reinterpret_cast<Ints>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums), \
                                             reinterpret_cast<__m512i>(four), \
                                             reinterpret_cast<__m512i>(weights)))
#include "adapters/model/cpu/int8_ops_body.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace memseal::model {

const Int8Ops int8_ops_avx512 = {"avx512-vnni", 16, int8_avx512::quantise, int8_avx512::multiply};

}  // namespace memseal::model

#include "adapters/model/cpu/int8_ops.hpp"

#include <immintrin.h>

// As in int8_ops_avx512.cpp, for machines with AVX-VNNI and without AVX-512.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,avxvnni"))), apply_to = function)
#pragma clang fp contract(off)
#else
#pragma GCC push_options
#pragma GCC target("avx2,avxvnni")
#pragma GCC optimize("fp-contract=off")
#endif
#define MEMSEAL_ISA int8_avx
#define MEMSEAL_LANES 8
#define MEMSEAL_ROWS 4
#define MEMSEAL_PANELS 2
#define MEMSEAL_DOT(sums, four, weights)                                          \
  reinterpret_cast<Ints>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sums), \
                                                 reinterpret_cast<__m256i>(four), \
                                                 reinterpret_cast<__m256i>(weights)))
#include "adapters/model/cpu/int8_ops_body.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace memseal::model {

const Int8Ops int8_ops_avx = {"avx-vnni", 8, int8_avx::quantise, int8_avx::multiply};

}  // namespace memseal::model

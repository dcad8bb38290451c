#include "adapters/model/cpu/vector_ops.hpp"

// As in vector_ops_avx2.cpp: the include above stays outside.
#if defined(__clang__)
#pragma clang attribute push(                                                   \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif
#define MEMSEAL_ISA avx512
#define MEMSEAL_LANES 16
#define MEMSEAL_ROWS 12
#include "adapters/model/cpu/vector_ops_body.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace memseal::model {

const VectorOps vector_ops_avx512 = {"avx512", avx512::gelu, avx512::add_norm, avx512::attend};

}  // namespace memseal::model

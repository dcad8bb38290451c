#include "adapters/model/cpu/vector_ops.hpp"

// The program is built for the least machine, and only the functions below get more instructions.
// The include above stays outside: its inline functions are shared with files for every machine.
#if defined(__clang__)
#pragma clang attribute push(                                                   \
    __attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define MEMSEAL_ISA avx2
#define MEMSEAL_LANES 8
#define MEMSEAL_ROWS 6
#include "adapters/model/cpu/vector_ops_body.hpp"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace memseal::model {

const VectorOps vector_ops_avx2 = {"avx2", avx2::gelu, avx2::add_norm, avx2::attend};

}  // namespace memseal::model

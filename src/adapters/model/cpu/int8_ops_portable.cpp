#include "adapters/model/cpu/int8_ops.hpp"

namespace memseal::model::int8_portable {
namespace {

typedef int FourInts __attribute__((vector_size(16)));
typedef std::uint8_t Unsigned __attribute__((vector_size(16)));
typedef std::int8_t Signed __attribute__((vector_size(16)));

/// What the instruction vpdpbusd does, by its definition.
inline FourInts dot(FourInts sums, FourInts four, FourInts weights) {
  const auto a = reinterpret_cast<Unsigned>(four);
  const auto b = reinterpret_cast<Signed>(weights);
  for (int lane = 0; lane < 4; ++lane)
    for (int k = 0; k < 4; ++k) sums[lane] += int{a[4 * lane + k]} * int{b[4 * lane + k]};
  return sums;
}

}  // namespace
}  // namespace memseal::model::int8_portable

#if defined(__clang__)
#pragma clang fp contract(off)
#endif
#define MEMSEAL_ISA int8_portable
#define MEMSEAL_LANES 4
#define MEMSEAL_ROWS 2
#define MEMSEAL_PANELS 2
#define MEMSEAL_DOT(sums, four, weights) dot(sums, four, weights)
#include "adapters/model/cpu/int8_ops_body.hpp"

namespace memseal::model {

const Int8Ops int8_ops_portable = {"plain", 4, int8_portable::quantise, int8_portable::multiply};

}  // namespace memseal::model

#include "kernels.hpp"

#define MEMSEAL_ISA baseline
#define MEMSEAL_LANES 4
#define MEMSEAL_ROWS 6
#include "kernels_body.hpp"

namespace memseal::model {

const Kernels kernels_baseline = {"baseline", baseline::gelu, baseline::add_norm, baseline::attend};

}  // namespace memseal::model

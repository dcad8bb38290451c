#include "adapters/model/cpu/vector_ops.hpp"

#define MEMSEAL_ISA baseline
#define MEMSEAL_LANES 4
#define MEMSEAL_ROWS 6
#include "adapters/model/cpu/vector_ops_body.hpp"

namespace memseal::model {

const VectorOps vector_ops_baseline = {"baseline", baseline::gelu, baseline::add_norm,
                                       baseline::attend};

}  // namespace memseal::model

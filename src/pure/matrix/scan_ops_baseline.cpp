#include "pure/matrix/scan_ops.hpp"

#define MEMSEAL_ISA baseline
#define MEMSEAL_LANES 4
#include "pure/matrix/scan_ops_body.hpp"

namespace memseal::matrix {

const ScanOps scan_ops_baseline = {"baseline", baseline::dots, baseline::squares};

}  // namespace memseal::matrix

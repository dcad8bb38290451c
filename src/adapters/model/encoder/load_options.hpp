#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

namespace memseal::model {

class GpuSupervisor;

enum class Backend {
  cpu,        ///< fp32, oneDNN and vector code, by what the machine has
  reference,  ///< double, scalar, slow: the oracle of tests
};

/// Type of the factors that the CPU backend multiplies. bf16 halves the bytes of weights that are
/// read and moves logits by up to about 0.1 (random weights). Sums, attention, norms and
/// activations stay fp32. On a CPU without AVX-512-BF16 or AMX, bf16 is slower than fp32.
/// int8 is for cross-encoders on CPUs with AVX-512-VNNI or AVX-VNNI: weights rounded with a scale
/// for each output, rows with one for each row; what follows the last attention stays fp32.
enum class Precision { fp32, bf16, int8 };

/// "fp32", "bf16" or "int8".
std::string_view name_of(Precision precision) noexcept;
/// The precision of that name. REQUIRES: it is one of the names.
Precision precision_of(std::string_view name) noexcept;

/// Which processor computes a model.
enum class DeviceChoice {
  cpu,
  automatic,  ///< the GPU if there is one and it can compute this model, otherwise the CPU
  cuda,       ///< the GPU; loading a model fails if there is none
};

struct LoadOptions {
  Backend backend = Backend::cpu;
  Precision precision = Precision::fp32;
  std::size_t tokens_max = 0;  ///< cuts inputs shorter than the model would; 0: the model's limit
  DeviceChoice device = DeviceChoice::cpu;
  std::shared_ptr<GpuSupervisor> gpu = nullptr;  ///< null: one is made when a GPU is wanted
};

}  // namespace memseal::model

#pragma once
#include <cstddef>
#include <memory>

namespace memseal::model {

class GpuSupervisor;

enum class Backend {
  cpu,        ///< fp32, oneDNN and vector code, by what the machine has
  reference,  ///< double, scalar, slow: the oracle of tests
};

/// Type of the factors that the CPU backend multiplies. bf16 halves the bytes of weights that are
/// read and moves logits by up to about 0.1 (random weights). Sums, attention, norms and
/// activations stay fp32. On a CPU without AVX-512-BF16 or AMX, bf16 is slower than fp32.
enum class Precision { fp32, bf16 };

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

#pragma once
#include "device.hpp"

#include <vector>

namespace memseal::kernels {

/// A dense layer on the device: weight [out, in], bias [out].
struct DeviceDense {
  const Half *weight = nullptr, *bias = nullptr;
};

struct DeviceNorm {
  const float *gain = nullptr, *bias = nullptr;
};

struct DeviceLayer {
  DeviceDense fused;  ///< query, key and value, stacked: [3H, H]
  DeviceDense attention_out, intermediate, out;
  DeviceNorm attention_norm, out_norm;
};

/// A model's weights in one allocation of device memory.
/// Matrices, their biases and the embedding tables are fp16; norms and the head's vectors fp32.
class DeviceWeights {
 public:
  /// Throws DeviceError, also when a part has another size than the shape says.
  DeviceWeights(Device& device, const Shape& shape, const ReadPart& read);
  ~DeviceWeights();
  DeviceWeights(const DeviceWeights&) = delete;
  DeviceWeights& operator=(const DeviceWeights&) = delete;

  const Half *words = nullptr, *positions = nullptr, *types = nullptr;
  DeviceNorm norm;
  std::vector<DeviceLayer> layers;
  const Half* pooler = nullptr;  ///< this and the next three: cross-encoders only
  const float *pooler_bias = nullptr, *classifier = nullptr, *classifier_bias = nullptr;

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Copy;
  Device& device_;
  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace memseal::kernels

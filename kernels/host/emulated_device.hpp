#pragma once
#include "host_device.hpp"

namespace memseal::kernels {

/// A host device that runs the kernels' own source on an emulated GPU. Matrix products stay twins,
/// because cuBLASLt computes them on a GPU. Slow: for tests.
class EmulatedDevice final : public HostDevice {
 public:
  using HostDevice::HostDevice;

 protected:
  using HostDevice::compute;
  void compute(const EmbedNorm& work) override;
  void compute(const Attend& work) override;
  void compute(const Norm& work) override;
  void compute(const Gelu& work) override;
  void compute(const TakeFirst& work) override;
  void compute(const AttendFirst& work) override;
  void compute(const ScoreHead& work) override;
  void compute(const MeanHead& work) override;
};

}  // namespace memseal::kernels

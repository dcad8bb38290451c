#include "choice.hpp"

#include <exception>
#include <optional>

namespace memseal::kernels {

namespace {

bool ends_the_trials(Fault fault) {
  return fault == Fault::lost || fault == Fault::restart || fault == Fault::out_of_memory;
}

}  // namespace

std::size_t fastest(std::size_t count, const std::function<float(std::size_t)>& trial) {
  std::optional<std::size_t> best;
  float least = 0;
  std::exception_ptr failure;
  for (std::size_t i = 0; i < count; ++i) {
    try {
      const float took = trial(i);
      if (best && took >= least) continue;
      best = i;
      least = took;
    } catch (const DeviceError& error) {
      if (ends_the_trials(error.fault())) throw;
      failure = std::current_exception();
    }
  }
  if (!best) std::rethrow_exception(failure);
  return *best;
}

// Numbers of driver_types.h. cuda_device.cu compares them with the toolkit's.
Fault fault_of_cuda(int status) noexcept {
  if (outlives_a_reset(status)) return Fault::lost;
  switch (status) {
    case 2:  // MemoryAllocation
      return Fault::out_of_memory;
    case 100:  // NoDevice
    case 101:  // InvalidDevice
      return Fault::no_device;
    case 35:   // InsufficientDriver
    case 34:   // StubLibrary
    case 803:  // SystemDriverMismatch
    case 804:  // CompatNotSupportedOnDevice
      return Fault::no_driver;
    case 209:  // NoKernelImageForDevice
    case 222:  // UnsupportedPtxVersion
      return Fault::unsupported;
    case 46:   // DevicesUnavailable: another process has it for itself
    case 201:  // DeviceUninitialized
    case 709:  // ContextIsDestroyed
    case 802:  // SystemNotReady: the fabric manager still starts
    case 999:  // Unknown
      return Fault::lost;
    default:
      return Fault::internal;
  }
}

bool outlives_a_reset(int status) noexcept {
  switch (status) {
    case 214:  // ECCUncorrectable
    case 220:  // NvlinkUncorrectable
    case 226:  // Contained
    case 700:  // IllegalAddress
    case 702:  // LaunchTimeout
    case 710:  // Assert
    case 714:  // HardwareStackError
    case 715:  // IllegalInstruction
    case 716:  // MisalignedAddress
    case 717:  // InvalidAddressSpace
    case 718:  // InvalidPc
    case 719:  // LaunchFailure
    case 721:  // TensorMemoryLeak
      return true;
    default:
      return false;
  }
}

// Numbers of cublas_api.h.
Fault fault_of_cublas(int status) noexcept {
  switch (status) {
    case 3:  // ALLOC_FAILED
      return Fault::out_of_memory;
    case 13:  // EXECUTION_FAILED
      return Fault::lost;
    case 7:   // INVALID_VALUE
    case 8:   // ARCH_MISMATCH
    case 15:  // NOT_SUPPORTED
      return Fault::unsupported;
    default:
      return Fault::internal;
  }
}

}  // namespace memseal::kernels

#include "adapters/model/gpu/faults.hpp"

namespace memseal::model {

using kernels::Fault;

// No `default` in these switches: the compiler then names the place that a new fault must be added
// to.
bool is_final(Fault fault) noexcept {
  switch (fault) {
    case Fault::not_built:
    case Fault::no_driver:
    case Fault::no_device:
    case Fault::too_old:
    case Fault::unsupported:
    case Fault::restart: return true;
    case Fault::out_of_memory:
    case Fault::lost:
    case Fault::internal: return false;
  }
  return false;
}

bool breaks_device(Fault fault) noexcept {
  // CUDA reports some faults again at every later call of the context. Whether an unknown fault is
  // such a one cannot be seen, so the device is opened again.
  return fault == Fault::lost || fault == Fault::restart || fault == Fault::internal;
}

std::string fix_of(Fault fault) {
  switch (fault) {
    case Fault::not_built: return "use a memseal that is built with CUDA (docs/gpu.md)";
    case Fault::no_driver:
      return "install or update the NVIDIA driver; in a container, start it with the GPU";
    case Fault::no_device: return "see `nvidia-smi` and CUDA_VISIBLE_DEVICES";
    case Fault::too_old: return "use a GPU of compute capability 8.0 or above";
    case Fault::unsupported: return "choose another model, or let the CPU compute this one";
    case Fault::out_of_memory: return "free memory of the GPU; `nvidia-smi` shows who holds it";
    case Fault::restart: return "restart this process once `nvidia-smi` answers";
    case Fault::lost:
    case Fault::internal: break;
  }
  return "see `nvidia-smi` and the kernel's log";
}

kernels::DeviceError device_error_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const kernels::DeviceError& error) {
    return error;
  } catch (const std::exception& error) {
    return {Fault::internal, error.what()};
  } catch (...) {
    return {Fault::internal, "an unknown exception"};
  }
}

Error refusal_of(const kernels::DeviceError& error, const std::string& model) {
  const auto code = error.fault() == Fault::unsupported ? Errc::model_unsupported
                    : is_final(error.fault())           ? Errc::bad_config
                                                        : Errc::unavailable;
  return {code,
          "no GPU computes " + model + ": " + error.what() + "; " + fix_of(error.fault()) +
              ", or set model.device to auto or cpu",
          "model.device"};
}

}  // namespace memseal::model

#include "adapters/model/gpu/device.hpp"

#include "adapters/model/gpu/convert.hpp"
#include "adapters/model/gpu/faults.hpp"
#include "adapters/model/gpu/supervisor.hpp"

namespace memseal::model {

namespace {

std::shared_ptr<kernels::Device> open_first() { return kernels::open_cuda(); }

}  // namespace

std::optional<DeviceChoice> parse_device(std::string_view name) noexcept {
  if (name == "cpu") return DeviceChoice::cpu;
  if (name == "auto") return DeviceChoice::automatic;
  if (name == "cuda") return DeviceChoice::cuda;
  return std::nullopt;
}

std::shared_ptr<GpuSupervisor> make_gpu_supervisor(runtime::Metrics* metrics) {
  return std::make_shared<GpuSupervisor>(open_first, GpuSupervisorOptions(), metrics);
}

DeviceReport look_for_device() {
  try {
    const auto device = open_first();
    return {true, describe(kernels::info_of(*device)), ""};
  // The report is what an operator reads when nothing works, so it must come in every case.
  } catch (...) {
    const auto why = device_error_of(std::current_exception());
    return {false, why.what(), fix_of(why.fault())};
  }
}

}  // namespace memseal::model

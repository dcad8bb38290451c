#pragma once
// Whether a GPU computes the models of this process, and who keeps it.
#include "runtime/metrics.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::model {

/// What computes a model.
enum class Device {
  cpu,
  automatic,  ///< a GPU where one is found that computes this model, otherwise the CPU
  cuda,       ///< a GPU; that there is none is an error when the model is loaded
};

/// "cpu", "auto" or "cuda"; nothing for any other word.
std::optional<Device> parse_device(std::string_view name) noexcept;

/// The first GPU of this process and what the models have on it: opens it when the first model
/// wants it, turns it off when it fails, and tries it again by and by, on a thread of its own.
/// Shared by all models that are loaded with it; lives as long as the last of them. Any thread.
class DeviceHost;

/// `metrics` outlives the host; without it nothing is counted. Starts a thread that sleeps.
std::shared_ptr<DeviceHost> make_device_host(runtime::Metrics* metrics = nullptr);

/// What `memseal doctor` says of GPUs.
struct DeviceReport {
  bool found = false;
  std::string detail;  ///< name, memory and versions, or why there is none
  std::string mend;    ///< empty when one was found
};

/// Opens the first GPU and gives it back: up to a second. Does not throw.
DeviceReport look_for_device();

}  // namespace memseal::model

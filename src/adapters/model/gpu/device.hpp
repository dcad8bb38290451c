#pragma once
// Finding the GPU of this process, and the object that owns it.
#include "adapters/model/encoder/load_options.hpp"
#include "runtime/metrics.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::model {

/// "cpu", "auto" or "cuda"; nothing for any other word.
std::optional<DeviceChoice> parse_device(std::string_view name) noexcept;

/// Owns the first GPU of this process and the models on it. Opens the GPU when the first model
/// wants it, turns it off when it fails, and retries it with back-off on a thread of its own.
/// Shared by all models that are loaded with it. Lives as long as the last of them.
/// Thread: any.
class GpuSupervisor;

/// Starts a thread, which sleeps until a model is added.
/// `metrics` outlives the supervisor; null: nothing is counted.
std::shared_ptr<GpuSupervisor> make_gpu_supervisor(runtime::Metrics* metrics = nullptr);

/// What `memseal doctor` reports about GPUs.
struct DeviceReport {
  bool found = false;
  std::string detail;  ///< name, memory and versions, or why no GPU was found
  std::string fix;     ///< what an operator can do; empty if a GPU was found
};

/// Opens the first GPU and closes it again. Takes up to a second. Does not throw.
DeviceReport look_for_device();

}  // namespace memseal::model

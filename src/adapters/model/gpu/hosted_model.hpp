#pragma once
// One model's engine on the GPU, while the GPU works and while it does not.
#include "adapters/model/checkpoint/checkpoint.hpp"

#include "memseal/kernels/engine.hpp"
#include "runtime/metrics.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace memseal::model {

enum class GpuState {
  on,       ///< requests go to the GPU
  off,      ///< the GPU failed; the CPU answers until a retry succeeds
  probing,  ///< off, and a retry is running
};

/// Thread: any, except for the functions that say otherwise.
/// Lifetime: belongs to a GpuSupervisor, which outlives it.
class HostedModel {
 public:
  /// `suspect` is called on any thread when a request failed. It must not block.
  HostedModel(std::shared_ptr<const Checkpoint> model, runtime::Metrics& metrics,
              std::function<void()> suspect);
  HostedModel(const HostedModel&) = delete;
  HostedModel& operator=(const HostedModel&) = delete;

  bool is_on() const noexcept { return state_ == GpuState::on; }
  const std::string& name() const noexcept { return model_->info.name; }

  /// Hands a request to the engine. False, and `done` is not called, while the model is off.
  /// Throws std::invalid_argument for a batch that the model cannot read.
  bool submit(kernels::Request request);
  /// Reports a failed request: the supervisor then checks the engine.
  void suspect() { suspect_(); }
  /// Number of requests the current engine has received, including build()'s warm-up. 0 while off.
  std::uint64_t requests();
  /// Adds to the metrics what the engine did since the last call.
  void publish();
  /// isa_of() of the last device that computed the model; empty before the first.
  std::string isa() const;
  /// Counts a request that the CPU answered instead.
  void fell_back() { fallbacks_.Increment(); }

  // Thread: the supervisor's only, from here on.

  /// Makes an engine and runs one small batch on it. Throws DeviceError, or what making an engine
  /// throws.
  void build(const std::shared_ptr<kernels::Device>& device, const kernels::EngineOptions& options);
  /// What made the engine unusable; null if nothing did, and while the model is off.
  std::exception_ptr failure();
  /// After this no request reaches the engine.
  void turn_off();
  /// Frees the engine once no thread is inside it, and abandons it when a thread does not return.
  /// REQUIRES: turn_off() was called. May take twice EngineOptions::hang_ms.
  void free_engine();
  void show(GpuState state);

 private:
  /// An engine and the threads inside it now. Each engine has its own count, because a thread that
  /// is stuck in an abandoned engine may come back when another engine is in its place.
  struct Hosted {
    std::unique_ptr<kernels::Engine> engine;
    std::size_t users = 0;
  };
  template <class Act>
  bool with_engine(Act act);

  const std::shared_ptr<const Checkpoint> model_;
  const kernels::Shape shape_;
  const std::function<void()> suspect_;

  std::atomic<GpuState> state_ = GpuState::off;
  mutable std::mutex guard_;
  std::condition_variable unused_;
  std::shared_ptr<Hosted> hosted_;  // null: no engine
  bool open_ = false;               // to requests
  std::chrono::milliseconds patience_{0};
  std::string isa_;

  std::mutex publishing_;
  kernels::EngineCounters published_;
  runtime::Gauge &up_, &waiting_;
  runtime::Counter &batches_, &shared_batches_, &fallbacks_;
};

}  // namespace memseal::model

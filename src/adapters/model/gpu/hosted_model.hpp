#pragma once
// One model's place on the GPU, whether it is there now or not.
#include "adapters/model/encoder/loaded_model.hpp"

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

enum class DeviceState {
  on,       ///< requests go to the GPU
  off,      ///< it failed; the CPU answers until a probe brings it back
  probing,  ///< off, and being tried again
};

/// Any thread, but for what says otherwise. Belongs to a DeviceHost, which outlives it.
class DeviceSeat {
 public:
  /// `suspect` is told, on any thread, that a request failed; it must not block.
  DeviceSeat(std::shared_ptr<const LoadedModel> model, runtime::Metrics& metrics,
             std::function<void()> suspect);
  DeviceSeat(const DeviceSeat&) = delete;
  DeviceSeat& operator=(const DeviceSeat&) = delete;

  DeviceState state() const noexcept { return state_; }
  bool is_on() const noexcept { return state_ == DeviceState::on; }
  const LoadedModel& model() const noexcept { return *model_; }
  const kernels::Shape& shape() const noexcept { return shape_; }

  /// Hands a request to the engine; false, without a word to `done`, when it is off. Throws
  /// std::invalid_argument for a batch that the model cannot read.
  bool submit(kernels::Request request);
  /// A request failed: the host looks after the engine.
  void suspect() { suspect_(); }
  /// That the engine was given since it was made, the one of build() included; 0 while it is off.
  std::uint64_t requests();
  /// Brings the metrics up to what the engine did.
  void publish();
  /// What computed it last (isa_of); empty before it was on for the first time.
  std::string isa() const;
  /// The CPU answered instead.
  void fell_back() { fallbacks_.Increment(); }

  // The host's thread only, from here on.

  /// Makes an engine and lets it compute one small batch. Throws DeviceError and what makes one.
  void build(const std::shared_ptr<kernels::Device>& device,
             const kernels::EngineOptions& options);
  /// What made the engine unusable, or null; null also when it is off.
  std::exception_ptr failure();
  /// No request reaches the engine from now on.
  void turn_off();
  /// Frees the engine of a seat that is off, once nobody is inside it any more; abandons it when
  /// somebody stays. May take three times EngineOptions::patience_ms.
  void free_engine();
  void show(DeviceState state);

 private:
  template <class Act>
  bool with_engine(Act act);

  const std::shared_ptr<const LoadedModel> model_;
  const kernels::Shape shape_;
  const std::function<void()> suspect_;

  std::atomic<DeviceState> state_ = DeviceState::off;
  mutable std::mutex guard_;
  std::condition_variable unused_;
  std::unique_ptr<kernels::Engine> engine_;
  bool open_ = false;              // to requests
  std::size_t users_ = 0;          // threads inside the engine now
  std::chrono::milliseconds patience_{0};
  std::string isa_;

  std::mutex publishing_;
  kernels::EngineCounters published_;
  runtime::Gauge &up_, &waiting_;
  runtime::Counter &batches_, &shared_batches_, &fallbacks_;
};

}  // namespace memseal::model

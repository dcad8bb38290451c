#pragma once
#include "adapters/model/gpu/hosted_model.hpp"

#include "adapters/model/gpu/device.hpp"
#include "memseal/kernels/engine.hpp"
#include "pure/policy/backoff.hpp"
#include "runtime/context.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::model {

namespace asio = boost::asio;

/// Opens the device again. The supervisor has dropped the one that it gave before.
/// Throws DeviceError.
using DeviceOpener = std::function<std::shared_ptr<kernels::Device>()>;

struct GpuSupervisorOptions {
  /// Shortest and longest wait between two retries, with full jitter (policy::Backoff).
  std::chrono::milliseconds probe_first{500}, probe_most{60'000};
  /// Longest wait at start-up for a model that the CPU could compute instead.
  std::chrono::milliseconds start_most{30'000};
  kernels::EngineOptions engine;
};

/// Turns models off when the GPU fails and on again when it works.
/// A fault turns off the model that met it. A fault that breaks the device turns off all models,
/// and the device is opened again once their engines are freed.
/// A model that is off is retried: the supervisor's own thread makes its engine again and runs one
/// batch, so no request waits for a retry. Nothing is retried once the device said Fault::restart,
/// because only a new process can use it.
class GpuSupervisor {
 public:
  GpuSupervisor(DeviceOpener open, GpuSupervisorOptions options, runtime::Metrics* metrics);
  /// Fails the requests that the engines still hold.
  /// REQUIRES: the pools whose work uses the models have ended.
  ~GpuSupervisor();
  GpuSupervisor(const GpuSupervisor&) = delete;
  GpuSupervisor& operator=(const GpuSupervisor&) = delete;

  struct Added {
    std::shared_ptr<HostedModel> hosted;            ///< null: the CPU computes the model
    std::optional<kernels::DeviceError> failure;    ///< why it is null, or off
  };
  /// Adds a model and waits until it is on or has failed: start-up only.
  /// A final fault (is_final) refuses the model; where it is `required`, any fault does.
  /// A model that is not `required` is waited for at most start_most. One that comes up later is
  /// taken off the GPU again. While the thread still hangs, further models are refused at once.
  /// Lifetime: the hosted model keeps the supervisor alive.
  static Added add(const std::shared_ptr<GpuSupervisor>& supervisor,
                   std::shared_ptr<const Checkpoint> model, bool required);

  /// Opens the device for a caller who uses it without the supervisor. Throws DeviceError.
  std::shared_ptr<kernels::Device> open() const { return open_(); }
  const kernels::EngineOptions& engine_options() const noexcept { return options_.engine; }
  /// Describes the device that was opened last.
  std::string description() const;

 private:
  using Models = std::vector<HostedModel*>;
  class Adding;

  // Thread: all of these run on the one thread of keeper_.
  Added add_model(std::shared_ptr<const Checkpoint> model, bool required, Adding& adding);
  /// Ends a call of add() whose caller has stopped waiting.
  Added withdrawn();
  void drop_last_model();
  void build(HostedModel& hosted);
  /// Turns off each model whose engine has failed.
  void check_engines();
  void turn_off(HostedModel& hosted, const kernels::DeviceError& cause);
  /// Turns off the models that are on and closes the device; returns the models it turned off.
  Models release_device();
  void log_off(const Models& models, const kernels::DeviceError& cause) const;
  void schedule_probe();
  void probe();
  void give_up(const kernels::DeviceError& cause);
  /// Appends the models that are on again to `back`.
  void probe_models(Models& back);
  void count(kernels::Fault fault);

  const DeviceOpener open_;
  const GpuSupervisorOptions options_;
  const std::unique_ptr<runtime::Metrics> own_metrics_;
  runtime::Metrics& metrics_;

  asio::thread_pool keeper_{1};
  asio::steady_timer timer_{keeper_};
  policy::Backoff backoff_;
  std::mt19937_64 random_{std::random_device{}()};
  std::vector<std::unique_ptr<HostedModel>> models_;
  std::shared_ptr<kernels::Device> device_;
  runtime::Clock::time_point came_up_{};
  bool logged_no_gpu_ = false, needs_restart_ = false;
  std::atomic<bool> suspected_ = false;
  std::atomic<int> given_up_ = 0;  // calls of add() that still run although their callers left

  mutable std::mutex guard_;
  std::string description_;
};

/// Where a model will be computed.
struct Placement {
  std::shared_ptr<HostedModel> hosted;  ///< null: on the CPU
  std::string why_cpu;                  ///< what of the model keeps it off a GPU that is there
};

/// Places a model as `device` asks. A null `supervisor` stands for a new one, which is never freed
/// if the driver hangs.
/// Errors: refusal_of(), for DeviceChoice::cuda only.
Result<Placement> place_model(DeviceChoice device, std::shared_ptr<GpuSupervisor> supervisor,
                              std::shared_ptr<const Checkpoint> model);

/// `on_cpu`, with the GPU's backend and isa if the GPU computes the model.
ModelInfo info_with(const ModelInfo& on_cpu, const HostedModel* hosted);

}  // namespace memseal::model

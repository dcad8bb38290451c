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

/// Opens the device anew; nobody holds the one that it gave before. Throws DeviceError.
using DeviceOpener = std::function<std::shared_ptr<kernels::Device>()>;

struct DeviceHostOptions {
  /// Wait before the first probe and the longest one, with full jitter (policy::Backoff).
  std::chrono::milliseconds probe_first{500}, probe_most{60'000};
  /// Longest wait for a model to be on when the service starts and the CPU could do as well.
  std::chrono::milliseconds start_most{30'000};
  kernels::EngineOptions engine;
};

/// A fault turns off the model that met it; one that breaks the device turns off all of them, and
/// the device is opened anew once all engines are gone. Whatever is off is probed: its engine is
/// made again and computes one batch, on the host's own thread, which nobody's request waits for.
class DeviceHost {
 public:
  DeviceHost(DeviceOpener open, DeviceHostOptions options, runtime::Metrics* metrics);
  /// Fails what the engines still hold. After the pools whose work uses the seats.
  ~DeviceHost();
  DeviceHost(const DeviceHost&) = delete;
  DeviceHost& operator=(const DeviceHost&) = delete;

  struct Added {
    std::shared_ptr<DeviceSeat> seat;               ///< null: the CPU computes the model
    std::optional<kernels::DeviceError> failure;    ///< why it is null, or off
  };
  /// Takes a model in and waits until it is on or has failed: start-up only. It is refused for a
  /// fault that is final (is_final), and, where it is `required`, for any. The seat holds the host.
  static Added add(const std::shared_ptr<DeviceHost>& host,
                   std::shared_ptr<const LoadedModel> model, bool required);

  /// A device for somebody who keeps it alone. Throws DeviceError.
  std::shared_ptr<kernels::Device> open() const { return open_(); }
  const kernels::EngineOptions& engine_options() const noexcept { return options_.engine; }
  /// The device that computes now, as last seen.
  std::string description() const;

 private:
  using Seats = std::vector<DeviceSeat*>;

  // All of these run on the one thread of keeper_.
  Added take_in(std::shared_ptr<const LoadedModel> model, bool required);
  void build(DeviceSeat& seat);
  void examine();
  void turn_off(DeviceSeat& seat, const kernels::DeviceError& why);
  /// Turns off the models that are on and gives the device back; returns what it turned off.
  Seats let_go_of_device();
  void log_off(const Seats& seats, const kernels::DeviceError& why) const;
  void schedule_probe();
  void probe();
  void probe_seats(Seats& back);
  void count(kernels::Fault fault);

  const DeviceOpener open_;
  const DeviceHostOptions options_;
  const std::unique_ptr<runtime::Metrics> own_metrics_;
  runtime::Metrics& metrics_;

  asio::thread_pool keeper_{1};
  asio::steady_timer timer_{keeper_};
  policy::Backoff backoff_;
  std::mt19937_64 random_{std::random_device{}()};
  std::vector<std::unique_ptr<DeviceSeat>> seats_;
  std::shared_ptr<kernels::Device> device_;
  runtime::Clock::time_point came_up_{};
  bool told_none_ = false;
  std::atomic<bool> suspected_ = false;

  mutable std::mutex guard_;
  std::string description_;
};

/// How a model will be computed: a seat on the GPU, or none; then what of the model, if anything,
/// keeps it off the GPU that there is.
struct Seating {
  std::shared_ptr<DeviceSeat> seat;
  std::string why_cpu;
};

/// Finds a model its place as `device` asks; `host` may be null, for a host of its own.
/// Errors: refusal_of(), for Device::cuda only.
Result<Seating> seat_model(Device device, std::shared_ptr<DeviceHost> host,
                           std::shared_ptr<const LoadedModel> model);

/// What ModelInfo says of a model that has a seat.
ModelInfo info_with(const ModelInfo& on_cpu, const DeviceSeat* seat);

}  // namespace memseal::model

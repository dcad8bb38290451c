#include "adapters/model/gpu/supervisor.hpp"

#include "adapters/model/gpu/convert.hpp"
#include "adapters/model/gpu/faults.hpp"

#include "runtime/log.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <future>

namespace memseal::model {

namespace {

using kernels::DeviceError;
using kernels::Fault;
using runtime::LogLevel;

constexpr std::string_view faults_name = "memseal_model_device_faults_total";
constexpr std::string_view faults_help = "What went wrong with the GPU, probes included.";

std::string names_of(const std::vector<DeviceSeat*>& seats) {
  std::string names;
  for (const auto* seat : seats) names += (names.empty() ? "" : ", ") + seat->model().info.name;
  return names;
}

}  // namespace

DeviceHost::DeviceHost(DeviceOpener open, DeviceHostOptions options, runtime::Metrics* metrics)
    : open_(std::move(open)), options_(options),
      own_metrics_(metrics == nullptr ? std::make_unique<runtime::Metrics>() : nullptr),
      metrics_(metrics == nullptr ? *own_metrics_ : *metrics),
      backoff_(options.probe_first, options.probe_most) {
  for (auto fault = Fault::not_built; fault <= Fault::internal;
       fault = static_cast<Fault>(static_cast<int>(fault) + 1))
    metrics_.counter(faults_name, faults_help, {{"fault", kernels::fault_name(fault)}});
}

DeviceHost::~DeviceHost() {
  keeper_.stop();
  keeper_.join();
  for (const auto& seat : seats_) seat->turn_off();
  for (const auto& seat : seats_) seat->free_engine();
}

DeviceHost::Added DeviceHost::add(const std::shared_ptr<DeviceHost>& host,
                                  std::shared_ptr<const LoadedModel> model, bool required) {
  // Shared: it may still be in use over there when the answer is already here.
  const auto answer = std::make_shared<std::promise<Added>>();
  auto future = answer->get_future();
  asio::post(host->keeper_, [&host = *host, answer, model = std::move(model), required] {
    try {
      answer->set_value(host.take_in(model, required));
    } catch (...) {
      answer->set_exception(std::current_exception());
    }
  });
  // A driver that hangs must not keep the service from starting: the CPU has the model too.
  if (!required && future.wait_for(host->options_.start_most) != std::future_status::ready) {
    const DeviceError late(Fault::lost, "the GPU did not come up in time");
    runtime::log(LogLevel::warn, "gpu.off",
                 {{"cause", late.what()}, {"mend", mend_of(late.fault())}});
    return {nullptr, late};
  }
  auto added = future.get();
  if (added.seat) added.seat = std::shared_ptr<DeviceSeat>(host, added.seat.get());
  return added;
}

std::string DeviceHost::description() const {
  const std::lock_guard lock(guard_);
  return description_;
}

DeviceHost::Added DeviceHost::take_in(std::shared_ptr<const LoadedModel> model, bool required) {
  seats_.push_back(std::make_unique<DeviceSeat>(std::move(model), metrics_, [this] {
    if (!suspected_.exchange(true)) asio::post(keeper_, [this] { examine(); });
  }));
  auto& seat = *seats_.back();
  // Not an owner yet: add() makes it one.
  const std::shared_ptr<DeviceSeat> borrowed(std::shared_ptr<void>(), &seat);
  try {
    build(seat);
    runtime::log(LogLevel::info, "gpu.on",
                 {{"models", names_of({&seat})}, {"device", description()}});
    return {borrowed, std::nullopt};
  } catch (...) {
    const auto why = device_error_of(std::current_exception());
    count(why.fault());
    Seats down;
    if (breaks_device(why.fault())) down = let_go_of_device();
    const bool stays = !required && !is_final(why.fault());
    if (stays) down.push_back(&seat);
    if (!down.empty()) log_off(down, why);
    if (!stays && !required && (why.fault() == Fault::unsupported || !told_none_)) {
      told_none_ = told_none_ || why.fault() != Fault::unsupported;
      runtime::log(LogLevel::info, "gpu.none",
                   {{"models", names_of({&seat})}, {"cause", why.what()}});
    }
    if (!stays) seats_.pop_back();
    if (seats_.empty()) device_.reset();
    if (!down.empty()) schedule_probe();
    return {stays ? borrowed : nullptr, why};
  }
}

void DeviceHost::build(DeviceSeat& seat) {
  if (device_ == nullptr) device_ = open_();
  {
    const std::lock_guard lock(guard_);
    description_ = describe(kernels::info_of(*device_));
  }
  seat.build(device_, options_.engine);
  came_up_ = runtime::Clock::now();
}

void DeviceHost::examine() {
  suspected_ = false;
  for (const auto& seat : seats_)
    if (const auto failure = seat->failure()) turn_off(*seat, device_error_of(failure));
}

void DeviceHost::turn_off(DeviceSeat& seat, const DeviceError& why) {
  count(why.fault());
  if (runtime::Clock::now() - came_up_ > options_.probe_most) backoff_.reset();
  if (breaks_device(why.fault())) {
    log_off(let_go_of_device(), why);
  } else {
    seat.turn_off();
    log_off({&seat}, why);
    seat.free_engine();
  }
  schedule_probe();
}

DeviceHost::Seats DeviceHost::let_go_of_device() {
  Seats down;
  for (const auto& seat : seats_) {
    if (!seat->is_on()) continue;
    seat->turn_off();
    down.push_back(seat.get());
  }
  for (auto* const seat : down) seat->free_engine();
  device_.reset();
  return down;
}

void DeviceHost::log_off(const Seats& seats, const DeviceError& why) const {
  runtime::log(LogLevel::warn, "gpu.off",
               {{"models", names_of(seats)},
                {"fault", kernels::fault_name(why.fault())},
                {"cause", why.what()},
                {"mend", mend_of(why.fault())}});
}

void DeviceHost::schedule_probe() {
  const double unit = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
  timer_.expires_after(options_.probe_first / 2 + backoff_.next(std::min(unit, 0.999)));
  timer_.async_wait([this](const boost::system::error_code& failed) {
    if (!failed) probe();
  });
}

void DeviceHost::probe() {
  Seats back;
  probe_seats(back);
  if (!back.empty())
    runtime::log(LogLevel::info, "gpu.back",
                 {{"models", names_of(back)}, {"device", description()}});
  if (std::any_of(seats_.begin(), seats_.end(), [](const auto& seat) { return !seat->is_on(); }))
    schedule_probe();
}

void DeviceHost::probe_seats(Seats& back) {
  for (const auto& seat : seats_) {
    if (seat->is_on()) continue;
    seat->show(DeviceState::probing);
    try {
      build(*seat);
      back.push_back(seat.get());
    } catch (...) {
      const auto why = device_error_of(std::current_exception());
      count(why.fault());
      seat->show(DeviceState::off);
      if (!breaks_device(why.fault())) continue;
      // What came back a moment ago was never told to be on.
      auto down = let_go_of_device();
      std::erase_if(down, [&](auto* one) { return std::ranges::count(back, one) > 0; });
      back.clear();
      if (!down.empty()) log_off(down, why);
      return;
    }
  }
}

void DeviceHost::count(Fault fault) {
  metrics_.counter(faults_name, faults_help, {{"fault", kernels::fault_name(fault)}}).Increment();
}

Result<Seating> seat_model(Device device, std::shared_ptr<DeviceHost> host,
                           std::shared_ptr<const LoadedModel> model) {
  if (device == Device::cpu) return Seating{};
  const auto name = model->info.name;
  if (!host) host = make_device_host();
  const auto added = DeviceHost::add(host, std::move(model), device == Device::cuda);
  if (added.seat) return Seating{added.seat, {}};
  if (device == Device::cuda) return refusal_of(*added.failure, name);
  const bool of_the_model = added.failure->fault() == Fault::unsupported;
  return Seating{nullptr, of_the_model ? added.failure->what() : ""};
}

ModelInfo info_with(const ModelInfo& on_cpu, const DeviceSeat* seat) {
  auto info = on_cpu;
  const auto isa = seat == nullptr ? std::string() : seat->isa();
  if (isa.empty()) return info;
  info.backend = "cuda";
  info.isa = isa;
  return info;
}

}  // namespace memseal::model

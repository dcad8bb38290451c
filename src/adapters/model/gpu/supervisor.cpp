#include "adapters/model/gpu/supervisor.hpp"

#include "adapters/model/gpu/convert.hpp"
#include "adapters/model/gpu/faults.hpp"

#include "runtime/log.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <future>
#include <mutex>

namespace memseal::model {

namespace {

using kernels::DeviceError;
using kernels::Fault;
using runtime::LogLevel;

constexpr std::string_view faults_name = "memseal_model_device_faults_total";
constexpr std::string_view faults_help = "Faults of the GPU by kind, those of retries included.";

std::string names_of(const std::vector<HostedModel*>& models) {
  std::string names;
  for (const auto* hosted : models) names += (names.empty() ? "" : ", ") + hosted->name();
  return names;
}

/// What a caller gets whose model did not come up in time.
GpuSupervisor::Added too_late(const std::string& model) {
  const DeviceError late(Fault::lost, "the GPU did not come up in time");
  runtime::log(LogLevel::warn, "gpu.off",
               {{"models", model}, {"cause", late.what()}, {"fix", fix_of(late.fault())}});
  return {nullptr, late};
}

/// Never frees a supervisor whose thread hangs in the driver, because the destructor would wait for
/// that thread: a tool could not end. REQUIRES: the supervisor refers to nothing that its owner
/// frees.
void keep_for_ever(std::shared_ptr<GpuSupervisor> supervisor) {
  static std::mutex guard;
  static auto& kept = *new std::vector<std::shared_ptr<GpuSupervisor>>();
  const std::lock_guard lock(guard);
  kept.push_back(std::move(supervisor));
}

}  // namespace

GpuSupervisor::GpuSupervisor(DeviceOpener open, GpuSupervisorOptions options,
                             runtime::Metrics* metrics)
    : open_(std::move(open)),
      options_(options),
      own_metrics_(metrics == nullptr ? std::make_unique<runtime::Metrics>() : nullptr),
      metrics_(metrics == nullptr ? *own_metrics_ : *metrics),
      backoff_(options.probe_first, options.probe_most) {
  // Make every series at start, because an alert on a rate misses the first event of a new series.
  for (auto fault = Fault::not_built; fault <= Fault::internal;
       fault = static_cast<Fault>(static_cast<int>(fault) + 1))
    metrics_.counter(faults_name, faults_help, {{"fault", kernels::fault_name(fault)}});
}

GpuSupervisor::~GpuSupervisor() {
  // The thread first, because it may be building an engine of one of these models.
  keeper_.stop();
  keeper_.join();
  // All off before the first is freed: freeing may wait for a hung driver.
  for (const auto& hosted : models_) hosted->turn_off();
  for (const auto& hosted : models_) hosted->free_engine();
}

/// One call of add(): the caller waits, and the supervisor's thread works. Shared by both, because
/// each may go on when the other has ended.
class GpuSupervisor::Adding {
 public:
  /// Decides the call for the side that asks first: the thread has a result, or the caller stops
  /// waiting. True for that side alone.
  bool decide() noexcept { return !decided_.exchange(true); }
  bool decided() const noexcept { return decided_; }

  std::promise<Added> answer;

 private:
  std::atomic<bool> decided_ = false;
};

GpuSupervisor::Added GpuSupervisor::add(const std::shared_ptr<GpuSupervisor>& supervisor,
                                        std::shared_ptr<const Checkpoint> model, bool required) {
  // The thread still hangs in an earlier call, so this one would only wait as long again.
  if (!required && supervisor->given_up_ > 0) return too_late(model->info.name);
  const auto name = model->info.name;
  const auto adding = std::make_shared<Adding>();
  auto future = adding->answer.get_future();
  asio::post(supervisor->keeper_,
             [&self = *supervisor, adding, model = std::move(model), required] {
               try {
                 adding->answer.set_value(self.add_model(model, required, *adding));
               } catch (...) {
                 adding->answer.set_exception(std::current_exception());
               }
             });
  // A driver that hangs must not keep the service from starting, because the CPU has the model too.
  if (!required &&
      future.wait_for(supervisor->options_.start_most) != std::future_status::ready &&
      adding->decide()) {
    ++supervisor->given_up_;
    if (supervisor->own_metrics_) keep_for_ever(supervisor);
    return too_late(name);
  }
  auto added = future.get();
  // Shares the supervisor's count, so the supervisor lives as long as the last of its models.
  if (added.hosted) added.hosted = std::shared_ptr<HostedModel>(supervisor, added.hosted.get());
  return added;
}

std::string GpuSupervisor::description() const {
  const std::lock_guard lock(guard_);
  return description_;
}

GpuSupervisor::Added GpuSupervisor::add_model(std::shared_ptr<const Checkpoint> model,
                                              bool required, Adding& adding) {
  if (adding.decided()) return withdrawn();
  models_.push_back(std::make_unique<HostedModel>(std::move(model), metrics_, [this] {
    // One check for any number of failed requests, and not here: this thread may be the engine's
    // own.
    if (!suspected_.exchange(true)) asio::post(keeper_, [this] { check_engines(); });
  }));
  auto& hosted = *models_.back();
  // Without ownership: add() makes it keep the supervisor.
  const std::shared_ptr<HostedModel> borrowed(std::shared_ptr<void>(), &hosted);
  try {
    build(hosted);
    if (!adding.decide()) {
      // The CPU answers, because the caller has no model of the GPU to ask. So nothing may stay on
      // the GPU that holds its memory and shows as on.
      hosted.turn_off();
      hosted.free_engine();
      drop_last_model();
      return withdrawn();
    }
    runtime::log(LogLevel::info, "gpu.on",
                 {{"models", names_of({&hosted})}, {"device", description()}});
    return {borrowed, std::nullopt};
  } catch (...) {
    const auto cause = device_error_of(std::current_exception());
    count(cause.fault());
    Models down;
    // The models that were already on lose the device too, and are retried with it.
    if (breaks_device(cause.fault())) down = release_device();
    // A model that a retry may bring up stays in the list, off; the CPU answers for it meanwhile.
    const bool awaited = adding.decide();
    const bool stays = awaited && !required && !is_final(cause.fault());
    if (stays) down.push_back(&hosted);
    if (!down.empty()) log_off(down, cause);
    // Logged once for a machine without a GPU, but for each model that a GPU cannot compute.
    if (!stays && !required && awaited &&
        (cause.fault() == Fault::unsupported || !logged_no_gpu_)) {
      logged_no_gpu_ = logged_no_gpu_ || cause.fault() != Fault::unsupported;
      runtime::log(LogLevel::info, "gpu.absent",
                   {{"models", names_of({&hosted})}, {"cause", cause.what()}});
    }
    if (!stays) drop_last_model();
    if (!down.empty()) schedule_probe();
    if (!awaited) return withdrawn();
    return {stays ? borrowed : nullptr, cause};
  }
}

void GpuSupervisor::drop_last_model() {
  models_.pop_back();
  // A process without models on the GPU holds none of its memory.
  if (models_.empty()) device_.reset();
}

GpuSupervisor::Added GpuSupervisor::withdrawn() {
  // The caller counts before it returns, so the number may be below zero for a moment.
  --given_up_;
  return {nullptr, std::nullopt};
}

void GpuSupervisor::build(HostedModel& hosted) {
  if (device_ == nullptr) device_ = open_();
  {
    const std::lock_guard lock(guard_);
    description_ = describe(kernels::info_of(*device_));
  }
  hosted.build(device_, options_.engine);
  came_up_ = runtime::Clock::now();
}

void GpuSupervisor::check_engines() {
  // Before the look: a failure from now on posts another check.
  suspected_ = false;
  for (const auto& hosted : models_)
    if (const auto failure = hosted->failure()) turn_off(*hosted, device_error_of(failure));
}

void GpuSupervisor::turn_off(HostedModel& hosted, const DeviceError& cause) {
  count(cause.fault());
  // Only a GPU that worked for a while starts with short waits again. One that fails at once after
  // each retry would otherwise be retried without pause.
  if (runtime::Clock::now() - came_up_ > options_.probe_most) backoff_.reset();
  if (breaks_device(cause.fault())) {
    log_off(release_device(), cause);
  } else {
    hosted.turn_off();
    log_off({&hosted}, cause);
    hosted.free_engine();
  }
  schedule_probe();
}

GpuSupervisor::Models GpuSupervisor::release_device() {
  Models down;
  for (const auto& hosted : models_) {
    if (!hosted->is_on()) continue;
    hosted->turn_off();
    down.push_back(hosted.get());
  }
  // Free in a second pass, because free_engine() may wait and the other models must stop first.
  for (auto* const hosted : down) hosted->free_engine();
  device_.reset();
  return down;
}

void GpuSupervisor::log_off(const Models& models, const DeviceError& cause) const {
  runtime::log(LogLevel::warn, "gpu.off",
               {{"models", names_of(models)},
                {"fault", kernels::fault_name(cause.fault())},
                {"cause", cause.what()},
                {"fix", fix_of(cause.fault())}});
}

/// Ends all retries: no call of this process can bring the device back.
void GpuSupervisor::give_up(const DeviceError& cause) {
  needs_restart_ = true;
  Models down;
  for (const auto& hosted : models_) down.push_back(hosted.get());
  runtime::log(
      LogLevel::error, "gpu.restart_needed",
      {{"models", names_of(down)}, {"cause", cause.what()}, {"fix", fix_of(cause.fault())}});
}

void GpuSupervisor::schedule_probe() {
  if (needs_restart_) return;
  // With jitter, because several services may share the GPU that failed. At least half of
  // probe_first passes in any case: the full jitter alone may be zero.
  const double unit = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
  timer_.expires_after(options_.probe_first / 2 + backoff_.next(std::min(unit, 0.999)));
  // `this` is safe, because the destructor joins the only thread that runs this. Setting the timer
  // again cancels a wait that has not ended.
  timer_.async_wait([this](const boost::system::error_code& failed) {
    if (!failed) probe();
  });
}

void GpuSupervisor::probe() {
  Models back;
  probe_models(back);
  if (!back.empty())
    runtime::log(LogLevel::info, "gpu.recovered",
                 {{"models", names_of(back)}, {"device", description()}});
  if (std::any_of(models_.begin(), models_.end(),
                  [](const auto& hosted) { return !hosted->is_on(); }))
    schedule_probe();
}

void GpuSupervisor::probe_models(Models& back) {
  for (const auto& hosted : models_) {
    if (hosted->is_on()) continue;
    hosted->show(GpuState::probing);
    try {
      build(*hosted);
      back.push_back(hosted.get());
    } catch (...) {
      const auto cause = device_error_of(std::current_exception());
      count(cause.fault());
      hosted->show(GpuState::off);
      if (cause.fault() == Fault::restart) {
        // Nothing was on before, because the device is opened only when no engine holds it.
        back.clear();
        return give_up(cause);
      }
      if (!breaks_device(cause.fault())) continue;
      // Models restored earlier in this round were not yet logged as on, so they are not logged as
      // off.
      auto down = release_device();
      std::erase_if(down, [&](auto* one) { return std::ranges::count(back, one) > 0; });
      back.clear();
      if (!down.empty()) log_off(down, cause);
      return;
    }
  }
}

void GpuSupervisor::count(Fault fault) {
  metrics_.counter(faults_name, faults_help, {{"fault", kernels::fault_name(fault)}}).Increment();
}

Result<Placement> place_model(DeviceChoice device, std::shared_ptr<GpuSupervisor> supervisor,
                              std::shared_ptr<const Checkpoint> model) {
  if (device == DeviceChoice::cpu) return Placement{};
  const auto name = model->info.name;
  if (!supervisor) supervisor = make_gpu_supervisor();
  const auto added = GpuSupervisor::add(supervisor, std::move(model), device == DeviceChoice::cuda);
  if (added.hosted) return Placement{added.hosted, {}};
  if (device == DeviceChoice::cuda) return refusal_of(*added.failure, name);
  // "No GPU" is the ordinary state of many machines and no news. A GPU that is there and refuses
  // the model is.
  const bool of_the_model = added.failure->fault() == Fault::unsupported;
  return Placement{nullptr, of_the_model ? added.failure->what() : ""};
}

ModelInfo info_with(const ModelInfo& on_cpu, const HostedModel* hosted) {
  auto info = on_cpu;
  const auto isa = hosted == nullptr ? std::string() : hosted->isa();
  if (isa.empty()) return info;
  info.backend = "cuda";
  info.isa = isa;
  return info;
}

}  // namespace memseal::model

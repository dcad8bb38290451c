#include "engine_state.hpp"

#include <algorithm>
#include <future>
#include <mutex>

namespace memseal::kernels {

const DeviceInfo& info_of(const Device& device) noexcept { return device.info(); }

Engine::Engine(std::shared_ptr<Device> device, const Shape& shape, const ReadPart& read,
               const EngineOptions& options)
    : state_(std::make_shared<State>(std::move(device), shape, read, options)) {
  state_->start();
}

Engine::~Engine() { state_->stop(); }

void Engine::abandon(std::unique_ptr<Engine> engine) noexcept {
  engine->state_->leak();
  // Never freed, because a stuck thread may still read it.
  static std::mutex guard;
  static auto& kept = *new std::vector<std::unique_ptr<Engine>>();
  const std::lock_guard lock(guard);
  kept.push_back(std::move(engine));
}

void Engine::submit(Request request) { state_->submit(std::move(request)); }

std::vector<float> Engine::run(Batch batch) {
  // Shared, because set_value() may still touch the promise after get() has returned here.
  const auto answer = std::make_shared<std::promise<std::vector<float>>>();
  auto future = answer->get_future();
  Request request;
  request.batch = std::move(batch);
  request.done = [answer](std::vector<float> values, std::exception_ptr failure) {
    if (failure)
      answer->set_exception(failure);
    else
      answer->set_value(std::move(values));
  };
  submit(std::move(request));
  return future.get();
}

const DeviceInfo& Engine::device() const noexcept { return state_->device_info(); }
std::vector<std::string> Engine::products() const { return state_->products(); }
EngineCounters Engine::counters() const { return state_->counters(); }
std::exception_ptr Engine::failure() const { return state_->failure(); }

}  // namespace memseal::kernels

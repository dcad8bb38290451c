#include "adapters/model/gpu/hosted_model.hpp"

#include "adapters/model/gpu/convert.hpp"

#include "base/assert.hpp"
#include "base/on_exit.hpp"

#include <algorithm>
#include <cmath>

namespace memseal::model {

namespace {

runtime::Labels label_of(const Checkpoint& model) { return {{"model", model.info.name}}; }

/// The smallest batch that passes through every kernel.
kernels::Batch probe_of(const Checkpoint& model) {
  PackedBatch batch;
  const std::int32_t ids[]{model.tokenizer.cls_id(), model.tokenizer.sep_id()};
  batch.add(ids);
  return to_kernels(std::move(batch));
}

}  // namespace

HostedModel::HostedModel(std::shared_ptr<const Checkpoint> model, runtime::Metrics& metrics,
                         std::function<void()> suspect)
    : model_(std::move(model)),
      shape_(shape_of(model_->config, model_->info.tokens_max)),
      suspect_(std::move(suspect)),
      up_(metrics.gauge("memseal_model_device_up",
                        "1 while the GPU computes the model, 0 while the CPU does.",
                        label_of(*model_))),
      waiting_(
          metrics.gauge("memseal_model_device_waiting",
                        "Requests that were waiting for the GPU when the last one was answered.",
                        label_of(*model_))),
      batches_(metrics.counter("memseal_model_device_batches_total", "Batches given to the GPU.",
                               label_of(*model_))),
      shared_batches_(metrics.counter("memseal_model_device_shared_batches_total",
                                      "Batches that contained more than one request.",
                                      label_of(*model_))),
      fallbacks_(metrics.counter("memseal_model_device_fallbacks_total",
                                 "Requests answered by the CPU because the GPU was off or failed.",
                                 label_of(*model_))) {}

// Counts users instead of holding the lock during `act`, because a driver call may hang and
// turn_off() must never wait for it. free_engine() waits for the count, with a time limit.
template <class Act>
bool HostedModel::with_engine(Act act) {
  std::shared_ptr<Hosted> hosted;
  kernels::Engine* engine = nullptr;  // of its own, because free_engine() takes it out of `hosted`
  {
    const std::lock_guard lock(guard_);
    if (!open_) return false;
    hosted = hosted_;
    engine = hosted->engine.get();
    ++hosted->users;
  }
  const OnExit leave([&] {
    const std::lock_guard lock(guard_);
    if (--hosted->users == 0) unused_.notify_all();
  });
  act(*engine);
  return true;
}

bool HostedModel::submit(kernels::Request request) {
  return with_engine([&](kernels::Engine& engine) { engine.submit(std::move(request)); });
}

std::uint64_t HostedModel::requests() {
  std::uint64_t count = 0;
  with_engine([&](const kernels::Engine& engine) { count = engine.counters().requests; });
  return count;
}

void HostedModel::publish() {
  with_engine([this](const kernels::Engine& engine) {
    const std::lock_guard lock(publishing_);
    const auto now = engine.counters();
    batches_.Increment(static_cast<double>(now.batches - published_.batches));
    shared_batches_.Increment(static_cast<double>(now.shared_batches - published_.shared_batches));
    waiting_.Set(static_cast<double>(now.waiting));
    published_ = now;
  });
}

void HostedModel::build(const std::shared_ptr<kernels::Device>& device,
                        const kernels::EngineOptions& options) {
  // A thread that is longer inside the driver has failed its requests already.
  patience_ = std::chrono::milliseconds(options.hang_ms);
  auto engine = std::make_unique<kernels::Engine>(device, shape_,
                                                  reader_of(model_->tensors, shape_), options);
  // The upload read the whole file; only the CPU encoder's word table is read again.
  model_->weights.drop_pages();
  // Answer one small batch before any request may, because a model can upload well and still
  // overflow.
  const auto values = engine->run(probe_of(*model_));
  if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }))
    throw kernels::DeviceError(kernels::Fault::unsupported,
                               "in fp16 the model gives numbers that are not finite");
  {
    const std::lock_guard lock(guard_);
    // build() follows free_engine() or is the first.
    MEMSEAL_ASSERT(hosted_ == nullptr);
    isa_ = isa_of(engine->device());
    hosted_ = std::make_shared<Hosted>();
    hosted_->engine = std::move(engine);
    const std::lock_guard publishing(publishing_);
    published_ = {};  // A new engine counts from zero.
    open_ = true;
  }
  show(GpuState::on);
}

std::string HostedModel::isa() const {
  const std::lock_guard lock(guard_);
  return isa_;
}

// With the lock, and not as a user: only the supervisor's thread calls it, and only that thread
// frees the engine.
std::exception_ptr HostedModel::failure() {
  const std::lock_guard lock(guard_);
  return open_ ? hosted_->engine->failure() : nullptr;
}

void HostedModel::turn_off() {
  {
    const std::lock_guard lock(guard_);
    open_ = false;
  }
  show(GpuState::off);
}

void HostedModel::free_engine() {
  std::unique_lock lock(guard_);
  MEMSEAL_ASSERT(!open_);
  const auto hosted = std::move(hosted_);
  if (hosted == nullptr) return;
  const bool unused = unused_.wait_for(lock, patience_, [&] { return hosted->users == 0; });
  // Freed without the lock, because freeing may take long and requests must see meanwhile that the
  // model is off.
  auto engine = std::move(hosted->engine);
  lock.unlock();
  // A thread is stuck in the driver: freeing the engine would wait for it without end.
  if (!unused) kernels::Engine::abandon(std::move(engine));
}

void HostedModel::show(GpuState state) {
  state_ = state;
  up_.Set(state == GpuState::on ? 1 : 0);
  // publish() does nothing while the model is off, so the last number would stay.
  if (state != GpuState::on) waiting_.Set(0);
}

}  // namespace memseal::model

// How the engine notices a device that breaks or hangs, and how the engine shuts down.
#include "engine_state.hpp"

#include <algorithm>

namespace memseal::kernels {

namespace {

// Lanes are polled at this interval too, because a lost device does not call back.
constexpr std::chrono::milliseconds check_interval(100);

/// Objects that are never freed.
template <class Thing>
class Leaked {
 public:
  void add(Thing thing) {
    const std::lock_guard lock(guard_);
    things_.push_back(std::move(thing));
  }

 private:
  std::mutex guard_;
  std::vector<Thing> things_;
};

}  // namespace

Engine::State::~State() {
  if (!broken_) return;
  static auto& kept = *new Leaked<std::unique_ptr<CallbackTarget>>();
  for (auto& slot : slots_) kept.add(std::move(slot->target));
}

void Engine::State::stop() {
  Outcomes outcomes;
  bool free = false;
  {
    std::unique_lock lock(guard_);
    stopping_ = true;
    const auto why = make_error(Fault::internal, "the engine was shut down");
    for (auto* queue : {&urgent_, &plain_}) {
      for (const auto& pending : *queue) finish(pending, why, outcomes);
      queue->clear();
    }
    wake_.notify_all();
    lock.unlock();
    deliver(outcomes);
    outcomes.clear();
    lock.lock();
    free = wait_until_idle(lock);
    if (!free) fail_everything(make_error(Fault::lost, "the GPU did not finish"), outcomes);
    lock.unlock();
    for (const auto& slot : slots_) {
      const std::lock_guard deaf(slot->target->guard);
      slot->target->state = nullptr;
    }
  }
  deliver(outcomes);
  if (free) {
    dispatcher_.join();
    watcher_.join();
  } else {
    leak();
    dispatcher_.detach();  // It may be stuck in the driver; leak() keeps what it uses.
    watcher_.detach();
  }
}

/// Never frees this object, because the device may still write into its memory, and freeing device
/// memory would wait for the device.
void Engine::State::leak() {
  static auto& kept = *new Leaked<std::shared_ptr<State>>();
  kept.add(shared_from_this());
  device_->abandon();
}

bool Engine::State::is_overdue(const Slot& slot, Clock::time_point now) const {
  return slot.phase != Phase::idle &&
         now - slot.since > std::chrono::milliseconds(options_.hang_ms);
}

/// Waits until no lane will call back any more. False if one hangs.
bool Engine::State::wait_until_idle(std::unique_lock<std::mutex>& lock) {
  while (in_flight()) {
    wake_.wait_for(lock, check_interval / 10, [this] { return !in_flight() || has_ended(); });
    Outcomes outcomes;
    collect_ended(outcomes);
    for (const auto& slot : slots_) {
      if (slot->phase != Phase::running) continue;
      try {
        poll(*slot, lock, outcomes);
      } catch (...) {
        slot->phase = Phase::idle;  // Broken: no callback will come.
        broken_ = true;
      }
    }
    if (!outcomes.empty()) {
      lock.unlock();
      deliver(outcomes);
      lock.lock();
    }
    const auto now = Clock::now();
    if (std::any_of(slots_.begin(), slots_.end(),
                    [&](const auto& slot) { return is_overdue(*slot, now); }))
      return false;
  }
  return true;
}

void Engine::State::check_lanes(std::unique_lock<std::mutex>& lock) {
  if (failure_) return;
  Outcomes outcomes;
  const auto now = Clock::now();
  for (const auto& slot : slots_) {
    if (slot->phase == Phase::idle || now - slot->since < check_interval) continue;
    try {
      // Only a running lane may be polled: a launching one still belongs to its thread.
      const bool runs = slot->phase == Phase::running;
      if (runs) poll(*slot, lock, outcomes);
      // A launch may load code, time products and capture; patience_ms is for what runs.
      if (runs && slot->phase != Phase::idle &&
          now - slot->since > std::chrono::milliseconds(options_.patience_ms))
        throw DeviceError(Fault::lost, "the GPU did not finish a batch in " +
                                           std::to_string(options_.patience_ms) + " ms");
      if (is_overdue(*slot, now))
        throw DeviceError(Fault::lost, "a thread has been inside the GPU's driver for " +
                                           std::to_string(options_.hang_ms) + " ms");
    } catch (...) {
      fail_everything(std::current_exception(), outcomes);
      break;
    }
  }
  if (outcomes.empty()) return;
  lock.unlock();
  deliver(outcomes);
  lock.lock();
}

/// Polls a running lane. Releases the lock meanwhile, because the device's callback may be waiting
/// for it. Throws what broke the lane.
void Engine::State::poll(Slot& slot, std::unique_lock<std::mutex>& lock, Outcomes& outcomes) {
  slot.phase = Phase::launching;  // reserves the slot
  lock.unlock();
  std::exception_ptr failed;
  try {
    static_cast<void>(slot.lane->query());
  } catch (...) {
    failed = std::current_exception();
  }
  lock.lock();
  slot.phase = slot.ended ? Phase::idle : Phase::running;
  if (slot.ended && !failure_) collect(slot, outcomes);
  wake_.notify_all();
  if (failed) std::rethrow_exception(failed);
}

void Engine::State::watch() {
  std::unique_lock lock(guard_);
  while (!wake_.wait_for(lock, check_interval, [this] { return stopping_; })) check_lanes(lock);
}

}  // namespace memseal::kernels

// What the engine does about a device that breaks or hangs, and how it ends.
#include "engine_state.hpp"

namespace memseal::kernels {

namespace {

// How often lanes are looked after that have not reported: a lost device does not call back.
constexpr std::chrono::milliseconds look_every(100);

/// Things that live until the process ends.
template <class Thing>
class Kept {
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
  static auto& kept = *new Kept<std::unique_ptr<Note>>();
  for (auto& slot : slots_) kept.add(std::move(slot->note));
}

void Engine::State::stop() {
  Verdicts verdicts;
  bool free = false;
  {
    std::unique_lock lock(guard_);
    stopping_ = true;
    const auto why = error(Fault::internal, "the engine was shut down");
    for (auto* queue : {&urgent_, &plain_}) {
      for (const auto& pending : *queue) end(pending, why, verdicts);
      queue->clear();
    }
    wake_.notify_all();
    lock.unlock();
    tell(verdicts);
    verdicts.clear();
    lock.lock();
    free = settle(lock);
    if (!free) fail_everything(error(Fault::lost, "the GPU did not finish"), verdicts);
    lock.unlock();
    for (const auto& slot : slots_) {
      const std::lock_guard deaf(slot->note->guard);
      slot->note->state = nullptr;
    }
    lock.lock();
    wake_.wait(lock, [this] { return calls_ == 0; });
  }
  tell(verdicts);
  if (free) {
    dispatcher_.join();
    watcher_.join();
  } else {
    keep_for_ever();
    dispatcher_.detach();  // It may be inside the device; what it uses stays.
    watcher_.detach();
  }
}

/// The device may still write into this memory, and giving it back would wait for the device.
void Engine::State::keep_for_ever() {
  static auto& kept = *new Kept<std::shared_ptr<State>>();
  kept.add(shared_from_this());
  device_->abandon();
}

/// Waits until no lane will report any more. False when the patience was not enough.
bool Engine::State::settle(std::unique_lock<std::mutex>& lock) {
  const auto until = Clock::now() + std::chrono::milliseconds(options_.patience_ms);
  const auto settled = [this] { return !in_flight(); };
  while (!wake_.wait_for(lock, look_every / 10, settled)) {
    Verdicts verdicts;
    for (const auto& slot : slots_) {
      if (slot->phase != Phase::running) continue;
      try {
        ask(*slot, lock, verdicts);
      } catch (...) {
        slot->phase = Phase::idle;  // It neither runs nor reports, from now on.
        broken_ = true;
      }
    }
    if (!verdicts.empty()) {
      lock.unlock();
      tell(verdicts);
      lock.lock();
    }
    if (Clock::now() > until) return settled();
  }
  return true;
}

void Engine::State::look_after_lanes(std::unique_lock<std::mutex>& lock) {
  if (failure_) return;
  Verdicts verdicts;
  const auto now = Clock::now();
  for (const auto& slot : slots_) {
    if (slot->phase == Phase::idle || now - slot->since < look_every) continue;
    try {
      // A launch that does not come back has the lane for itself; a running one may be asked.
      if (slot->phase == Phase::running) ask(*slot, lock, verdicts);
      if (slot->phase != Phase::idle &&
          now - slot->since > std::chrono::milliseconds(options_.patience_ms))
        throw DeviceError(Fault::lost, "the GPU did not finish a batch in " +
                                           std::to_string(options_.patience_ms) + " ms");
    } catch (...) {
      fail_everything(std::current_exception(), verdicts);
      break;
    }
  }
  if (verdicts.empty()) return;
  lock.unlock();
  tell(verdicts);
  lock.lock();
}

/// Asks a running lane without the lock, which the device's own call may be waiting for. Throws
/// what broke it.
void Engine::State::ask(Slot& slot, std::unique_lock<std::mutex>& lock, Verdicts& verdicts) {
  slot.phase = Phase::launching;  // nobody else touches it
  lock.unlock();
  std::exception_ptr failed;
  try {
    static_cast<void>(slot.lane->query());
  } catch (...) {
    failed = std::current_exception();
  }
  lock.lock();
  slot.phase = slot.ended ? Phase::idle : Phase::running;
  if (slot.ended && !failure_) collect(slot, verdicts);
  wake_.notify_all();
  if (failed) std::rethrow_exception(failed);
}

void Engine::State::watch() {
  std::unique_lock lock(guard_);
  while (!wake_.wait_for(lock, look_every, [this] { return stopping_; })) look_after_lanes(lock);
}

}  // namespace memseal::kernels

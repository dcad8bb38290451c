#pragma once
// The queue before the lanes. engine.cpp only forwards to it.
#include "lane.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace memseal::kernels {

inline std::exception_ptr make_error(Fault fault, const char* message) {
  return std::make_exception_ptr(DeviceError(fault, message));
}

class Engine::State : public std::enable_shared_from_this<State> {
 public:
  State(std::shared_ptr<Device> device, const Shape& shape, const ReadPart& read,
        const EngineOptions& options);
  ~State();

  void start();
  void stop();
  void submit(Request request);
  void leak();
  const DeviceInfo& device_info() const noexcept { return device_->info(); }
  std::vector<std::string> products() const { return device_->choices(); }
  EngineCounters counters() const;
  std::exception_ptr failure() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// A request in progress. Its values arrive as its slices finish.
  struct Pending {
    Request request;
    std::vector<float> values;
    std::size_t taken = 0;    // sequences that lanes took
    std::size_t missing = 0;  // sequences whose values are missing
    bool done = false;        // an outcome was queued for its caller
  };
  using PendingPtr = std::shared_ptr<Pending>;

  struct Piece {
    PendingPtr pending;
    std::size_t first, last;
  };

  enum class Phase { idle, launching, running };

  struct Slot;

  /// The argument of the device's callback. Outlives an engine whose device broke, because the
  /// device may be calling back at that very moment.
  struct CallbackTarget {
    std::mutex guard;
    State* state = nullptr;  // null: the engine is gone
    Slot* slot = nullptr;
  };

  struct Slot {
    explicit Slot(std::unique_ptr<Lane> memory) : lane(std::move(memory)) {}
    std::unique_ptr<Lane> lane;
    std::unique_ptr<CallbackTarget> target = std::make_unique<CallbackTarget>();
    Phase phase = Phase::idle;
    bool ended = false;  // the callback came; whoever holds the lock next collects the values
    Clock::time_point since{};  // of its phase
    std::vector<Piece> pieces;
  };

  /// What a caller is told. Delivered without the lock, because `done` is foreign code.
  struct Outcome {
    PendingPtr pending;
    std::exception_ptr failure;  // null: success
  };
  using Outcomes = std::vector<Outcome>;

  static void on_notified(void* note) noexcept;
  static void deliver(const Outcomes& outcomes);

  void check(const Batch& batch) const;
  // REQUIRES: guard_ held. Functions that take `lock` release it while they call the device or a
  // user's callback, and hold it again on return.
  Slot* idle_slot();
  bool waiting() const { return !urgent_.empty() || !plain_.empty(); }
  bool in_flight() const;
  bool is_overdue(const Slot& slot, Clock::time_point now) const;
  bool has_ended() const;
  void collect_ended(Outcomes& outcomes);
  bool compose(Slot& slot, Outcomes& outcomes);
  void run_lanes(std::unique_lock<std::mutex>& lock);
  void launch(Slot& slot, std::unique_lock<std::mutex>& lock);
  void check_lanes(std::unique_lock<std::mutex>& lock);
  void poll(Slot& slot, std::unique_lock<std::mutex>& lock, Outcomes& outcomes);
  bool wait_until_idle(std::unique_lock<std::mutex>& lock);
  void collect(Slot& slot, Outcomes& outcomes);
  void finish(const PendingPtr& pending, std::exception_ptr failure, Outcomes& outcomes);
  void fail_everything(const std::exception_ptr& why, Outcomes& outcomes);

  void dispatch();
  void watch();

  std::shared_ptr<Device> device_;
  const Shape shape_;
  const EngineOptions options_;
  const DeviceWeights weights_;
  const Bucket bucket_max_;
  const std::size_t sequences_max_;
  std::vector<std::unique_ptr<Slot>> slots_;

  mutable std::mutex guard_;
  std::condition_variable wake_;
  std::deque<PendingPtr> urgent_, plain_;
  bool stopping_ = false, broken_ = false;
  std::exception_ptr failure_;
  EngineCounters counters_;
  std::thread dispatcher_;
  std::thread watcher_;  // never launches, so a launch that hangs cannot stop it
};

}  // namespace memseal::kernels

#pragma once
// The queue before the lanes. Header and source of their own: engine.cpp is only its door.
#include "lane.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace memseal::kernels {

inline std::exception_ptr error(Fault fault, const char* message) {
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
  void keep_for_ever();
  const DeviceInfo& device_info() const noexcept { return device_->info(); }
  EngineCounters counters() const;
  std::exception_ptr failure() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// A request on its way; its values come in as its slices end.
  struct Pending {
    Request request;
    std::vector<float> values;
    std::size_t given = 0;  // sequences that a lane took
    std::size_t left = 0;   // sequences whose values are missing
    bool done = false;      // its caller has heard
  };
  using PendingPtr = std::shared_ptr<Pending>;

  struct Piece {
    PendingPtr pending;
    std::size_t first, last;
  };

  enum class Phase { idle, launching, running };

  struct Slot;

  /// What the device is given to call back with. It outlives an engine whose device broke, which
  /// may be calling at that very moment.
  struct Note {
    std::mutex guard;
    State* state = nullptr;  // null: nobody listens any more
    Slot* slot = nullptr;
  };

  struct Slot {
    explicit Slot(std::unique_ptr<Lane> memory) : lane(std::move(memory)) {}
    std::unique_ptr<Lane> lane;
    std::unique_ptr<Note> note = std::make_unique<Note>();
    Phase phase = Phase::idle;
    bool ended = false;  // told so while the launching thread had not yet come back
    Clock::time_point since{};
    std::vector<Piece> pieces;
  };

  /// What callers hear once no lock is held.
  struct Verdict {
    PendingPtr pending;
    std::exception_ptr failure;  // null: its values
  };
  using Verdicts = std::vector<Verdict>;

  static void on_notified(void* note);
  void on_ended(Slot& slot);
  static void tell(const Verdicts& verdicts);

  void check(const Batch& batch) const;
  // All of these are called with the lock held; those that take it let go of it meanwhile.
  Slot* idle_slot();
  bool waiting() const { return !urgent_.empty() || !plain_.empty(); }
  bool in_flight() const;
  bool compose(Slot& slot, Verdicts& verdicts);
  void run_lanes(std::unique_lock<std::mutex>& lock);
  void launch(Slot& slot, std::unique_lock<std::mutex>& lock);
  void look_after_lanes(std::unique_lock<std::mutex>& lock);
  void ask(Slot& slot, std::unique_lock<std::mutex>& lock, Verdicts& verdicts);
  bool settle(std::unique_lock<std::mutex>& lock);
  void collect(Slot& slot, Verdicts& verdicts);
  void end(const PendingPtr& pending, std::exception_ptr failure, Verdicts& verdicts);
  void fail_everything(const std::exception_ptr& why, Verdicts& verdicts);

  void dispatch();
  void watch();

  std::shared_ptr<Device> device_;
  const Shape shape_;
  const EngineOptions options_;
  const DeviceWeights weights_;
  const Bucket most_;
  const std::size_t sequences_max_;
  std::vector<std::unique_ptr<Slot>> slots_;

  mutable std::mutex guard_;
  std::condition_variable wake_;
  std::deque<PendingPtr> urgent_, plain_;
  bool stopping_ = false, broken_ = false;
  std::exception_ptr failure_;
  std::size_t calls_ = 0;  // of the device's into on_notified
  EngineCounters counters_;
  std::thread dispatcher_;
  std::thread watcher_;  // launches nothing, so that no launch can stop it
};

}  // namespace memseal::kernels

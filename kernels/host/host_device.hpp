#pragma once
// A device without a GPU: the host's memory, a thread for each stream, plain twins for kernels.
// It computes what a GPU would, and fails where a test wants a fault.
#include "device.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace memseal::kernels {

/// Which calls and which work fail, counted from 0 over all streams and threads.
/// A call is one of Device's or Stream's functions that may throw, except query(), which only
/// reports a lost device. Work is what a stream executes later.
struct HostFaults {
  static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();
  std::size_t call = never;       ///< throws `fault`
  std::size_t captured = never;   ///< throws `fault`; counts the calls that are captured
  Fault fault = Fault::internal;  ///< lost: then every later call fails, and no work ends
  std::size_t work = never;       ///< the device is lost while it does this work
  std::size_t hang = never;       ///< this work never finishes
};

/// As a driver does:
/// - a capture belongs to the thread that began it, which alone can end it. Until then that thread
///   can neither allocate, upload nor wait. A stream that is freed elsewhere meanwhile is leaked.
/// - callbacks run one at a time, and call no function of the device. A call may wait until the
///   callback that runs has returned; one that waits for callback_patience fails as `lost`.
class HostDevice : public Device {
 public:
  explicit HostDevice(HostFaults faults = {});
  /// Aborts if memory or a stream was not released.
  ~HostDevice() override;

  const DeviceInfo& info() const noexcept override { return info_; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void* allocate_pinned(std::size_t bytes) override { return allocate(bytes); }
  void release_pinned(void* memory) noexcept override { release(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override;
  std::unique_ptr<Stream> make_stream() override;
  void choose(const Gemm& work) override;

  /// Every call from now on fails, and running work does not finish.
  void lose();
  /// Lets work that hangs continue.
  void release_hung();
  std::size_t calls() const noexcept { return calls_; }
  std::size_t works() const noexcept { return works_; }
  std::size_t live() const noexcept { return live_; }
  /// Called before each piece of work, on the stream's thread, for tests that need an order of
  /// events.
  std::function<void()> before_work;
  /// The same before each callback, when calls already wait for it.
  std::function<void()> before_callback;
  /// Threads that wait for the callback which runs.
  int waiting_for_callback() const noexcept { return waiting_; }
  /// True on a thread of a device, within a callback.
  static bool inside_callback() noexcept;

 protected:
  /// Runs one kernel. The emulated GPU overrides these.
  virtual void compute(const EmbedNorm& work);
  virtual void compute(const Gemm& work);
  virtual void compute(const Attend& work);
  virtual void compute(const Norm& work);
  virtual void compute(const Gelu& work);
  virtual void compute(const TakeFirst& work);
  virtual void compute(const AttendFirst& work);
  virtual void compute(const ScoreHead& work);
  virtual void compute(const MeanHead& work);

 private:
  friend class HostStream;
  void call(bool captured = false);
  void enter();  // waits for the callback that runs
  void refuse_in_capture() const;
  void note_capture(int change);
  void run_callback(void (*call)(void*), void* argument);
  bool begin_work();  // false: the device broke
  HostFaults faults_;
  std::atomic<int> waiting_ = 0;
  mutable std::mutex guard_;
  std::condition_variable callback_over_;
  bool callback_runs_ = false;
  std::map<std::thread::id, int> capturing_;  // open captures of each thread
  std::atomic<std::size_t> captured_calls_ = 0;
  DeviceInfo info_;
  std::atomic<std::size_t> calls_ = 0, works_ = 0, live_ = 0;
  std::atomic<bool> lost_ = false, hung_ = true;
};

}  // namespace memseal::kernels

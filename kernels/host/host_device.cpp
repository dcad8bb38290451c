#include "host_device.hpp"

#include "twins.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace memseal::kernels {

namespace {

constexpr std::align_val_t alignment{256};
// Far above any callback, which takes microseconds.
constexpr std::chrono::seconds callback_patience(10);

thread_local bool inside_callback_now = false;

using Work = std::function<void()>;

struct HostGraph final : Graph {
  std::vector<Work> works;
};

[[noreturn]] void fail(Fault fault) {
  throw DeviceError(fault, std::string("the host device fails on request: ") + fault_name(fault));
}

}  // namespace

/// A thread that executes the enqueued work.
class HostStream final : public Stream {
 public:
  explicit HostStream(HostDevice& device) : device_(device), thread_([this] { serve(); }) {}

  ~HostStream() override {
    const bool leaks = captured_ && capturer_ != std::this_thread::get_id();
    abandon_capture();
    {
      const std::lock_guard lock(guard_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (!leaks) --device_.live_;
  }

  void copy_in(void* to, const void* pinned, std::size_t bytes) override {
    add([=] { std::memcpy(to, pinned, bytes); });
  }
  void copy_out(void* pinned, const void* from, std::size_t bytes) override {
    add([=] { std::memcpy(pinned, from, bytes); });
  }
  void run(const EmbedNorm& work) override { add_kernel(work); }
  void run(const Gemm& work) override { add_kernel(work); }
  void run(const Attend& work) override { add_kernel(work); }
  void run(const Norm& work) override { add_kernel(work); }
  void run(const Gelu& work) override { add_kernel(work); }
  void run(const TakeFirst& work) override { add_kernel(work); }
  void run(const AttendFirst& work) override { add_kernel(work); }
  void run(const ScoreHead& work) override { add_kernel(work); }
  void run(const MeanHead& work) override { add_kernel(work); }

  void begin_capture() override {
    device_.call();
    captured_ = std::make_unique<HostGraph>();
    capturer_ = std::this_thread::get_id();
    device_.note_capture(1);
  }
  std::unique_ptr<Graph> end_capture() override {
    if (capturer_ != std::this_thread::get_id()) fail(Fault::internal);
    auto graph = std::move(captured_);
    device_.note_capture(-1);
    device_.call();
    return graph;
  }
  void abandon_capture() noexcept override {
    if (!captured_ || capturer_ != std::this_thread::get_id()) return;
    captured_.reset();
    device_.note_capture(-1);
  }
  void launch(const Graph& graph) override {
    device_.call();
    push(static_cast<const HostGraph&>(graph).works);
  }
  void notify(void (*call)(void*), void* argument) override {
    device_.call();
    push({[this, call, argument] { device_.run_callback(call, argument); }});
  }
  bool query() override {  // not counted, because the number of queries depends on timing
    device_.enter();
    const std::lock_guard lock(guard_);
    if (broken_ || device_.lost_) fail(Fault::lost);
    return idle();
  }
  void wait() override {
    device_.call();
    device_.refuse_in_capture();
    std::unique_lock lock(guard_);
    changed_.wait(lock, [this] { return idle() || broken_ || device_.lost_; });
    if (broken_ || device_.lost_) fail(Fault::lost);
  }
  std::vector<float> time(const Graph& graph, int count) override {
    std::vector<float> took;
    for (int i = 0; i < count; ++i) {
      const auto start = std::chrono::steady_clock::now();
      launch(graph);
      wait();
      const std::chrono::duration<float, std::micro> each =
          std::chrono::steady_clock::now() - start;
      took.push_back(each.count());
    }
    return took;
  }

 private:
  bool idle() const { return works_.empty() && !busy_; }

  template <class Kernel>
  void add_kernel(const Kernel& work) {
    add([this, work] { device_.compute(work); });
  }

  void add(Work work) {
    device_.call(captured_ != nullptr);
    if (captured_)
      captured_->works.push_back(std::move(work));
    else
      push({std::move(work)});
  }

  void push(const std::vector<Work>& works) {
    {
      const std::lock_guard lock(guard_);
      works_.insert(works_.end(), works.begin(), works.end());
    }
    changed_.notify_all();
  }

  void serve() {
    std::unique_lock lock(guard_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || (!works_.empty() && !broken_); });
      if (stopping_) return;
      auto work = std::move(works_.front());
      works_.pop_front();
      busy_ = true;
      lock.unlock();
      const bool sound = device_.begin_work();
      if (sound) work();
      lock.lock();
      busy_ = false;
      if (!sound) broken_ = true;
      changed_.notify_all();
    }
  }

  HostDevice& device_;
  std::unique_ptr<HostGraph> captured_;
  std::thread::id capturer_;
  std::mutex guard_;
  std::condition_variable changed_;
  std::deque<Work> works_;
  bool busy_ = false, broken_ = false, stopping_ = false;
  std::thread thread_;
};

HostDevice::HostDevice(HostFaults faults) : faults_(faults) {
  info_.name = "host (plain twins)";
  info_.capability = 80;
  info_.multiprocessors = 1;
  info_.memory_bytes = info_.memory_free_bytes = std::size_t(1) << 30;
}

HostDevice::~HostDevice() {
  if (live_ == 0) return;
  std::fprintf(stderr, "%zu resources of a device were not released\n", live_.load());
  std::abort();
}

bool HostDevice::inside_callback() noexcept { return inside_callback_now; }

void HostDevice::enter() {
  if (inside_callback_now) fail(Fault::internal);
  std::unique_lock lock(guard_);
  if (!callback_runs_) return;
  ++waiting_;
  const bool over =
      callback_over_.wait_for(lock, callback_patience, [this] { return !callback_runs_; });
  --waiting_;
  if (!over) fail(Fault::lost);
}

void HostDevice::run_callback(void (*call)(void*), void* argument) {
  {
    std::unique_lock lock(guard_);
    callback_over_.wait(lock, [this] { return !callback_runs_; });
    callback_runs_ = true;
  }
  if (before_callback) before_callback();
  inside_callback_now = true;
  call(argument);
  inside_callback_now = false;
  {
    const std::lock_guard lock(guard_);
    callback_runs_ = false;
  }
  callback_over_.notify_all();
}

void HostDevice::note_capture(int change) {
  const std::lock_guard lock(guard_);
  capturing_[std::this_thread::get_id()] += change;
}

void HostDevice::refuse_in_capture() const {
  const std::lock_guard lock(guard_);
  const auto found = capturing_.find(std::this_thread::get_id());
  if (found != capturing_.end() && found->second > 0) fail(Fault::internal);
}

void HostDevice::call(bool captured) {
  enter();
  const auto number = calls_++;
  if (number == faults_.call || (captured && captured_calls_++ == faults_.captured)) {
    if (faults_.fault == Fault::lost) lost_ = true;
    fail(faults_.fault);
  }
  if (lost_) fail(Fault::lost);
}

bool HostDevice::begin_work() {
  if (before_work) before_work();
  const auto number = works_++;
  if (number == faults_.work) lost_ = true;
  if (number == faults_.hang)
    while (hung_ && !lost_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return !lost_;
}

void HostDevice::lose() { lost_ = true; }
void HostDevice::release_hung() { hung_ = false; }

void* HostDevice::allocate(std::size_t bytes) {
  call();
  refuse_in_capture();
  auto* const memory = ::operator new(std::max<std::size_t>(bytes, 1), alignment);
  std::memset(memory, 0xff,
              bytes);  // NaN in every number format, so that reads of unwritten memory show
  ++live_;
  return memory;
}

void HostDevice::release(void* memory) noexcept {
  if (memory == nullptr) return;
  ::operator delete(memory, alignment);
  --live_;
}

void HostDevice::upload(void* to, const void* from, std::size_t bytes) {
  call();
  refuse_in_capture();
  std::memcpy(to, from, bytes);
}

std::unique_ptr<Stream> HostDevice::make_stream() {
  call();
  auto stream = std::make_unique<HostStream>(*this);
  ++live_;
  return stream;
}

void HostDevice::choose(const Gemm&) { call(); }

void HostDevice::compute(const EmbedNorm& work) { twin::run(work); }
void HostDevice::compute(const Gemm& work) { twin::run(work); }
void HostDevice::compute(const Attend& work) { twin::run(work); }
void HostDevice::compute(const Norm& work) { twin::run(work); }
void HostDevice::compute(const Gelu& work) { twin::run(work); }
void HostDevice::compute(const TakeFirst& work) { twin::run(work); }
void HostDevice::compute(const AttendFirst& work) { twin::run(work); }
void HostDevice::compute(const ScoreHead& work) { twin::run(work); }
void HostDevice::compute(const MeanHead& work) { twin::run(work); }

}  // namespace memseal::kernels

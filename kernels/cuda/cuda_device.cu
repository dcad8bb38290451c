// The device that is a GPU. Every call of CUDA is checked; a failure is a DeviceError.
#include "choice.hpp"
#include "products.cuh"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace memseal::kernels {

namespace gpu {

// choice.cpp is compiled without the toolkit and so writes these numbers out.
static_assert(cudaErrorMemoryAllocation == 2 && cudaErrorNoDevice == 100 &&
              cudaErrorInvalidDevice == 101 && cudaErrorInsufficientDriver == 35 &&
              cudaErrorStubLibrary == 34 && cudaErrorSystemDriverMismatch == 803 &&
              cudaErrorCompatNotSupportedOnDevice == 804 && cudaErrorSystemNotReady == 802 &&
              cudaErrorNoKernelImageForDevice == 209 && cudaErrorUnsupportedPtxVersion == 222 &&
              cudaErrorDevicesUnavailable == 46 && cudaErrorDeviceUninitialized == 201 &&
              cudaErrorContextIsDestroyed == 709 && cudaErrorUnknown == 999);
static_assert(cudaErrorECCUncorrectable == 214 && cudaErrorNvlinkUncorrectable == 220 &&
              cudaErrorContained == 226 && cudaErrorIllegalAddress == 700 &&
              cudaErrorLaunchTimeout == 702 && cudaErrorAssert == 710 &&
              cudaErrorHardwareStackError == 714 && cudaErrorIllegalInstruction == 715 &&
              cudaErrorMisalignedAddress == 716 && cudaErrorInvalidAddressSpace == 717 &&
              cudaErrorInvalidPc == 718 && cudaErrorLaunchFailure == 719 &&
              cudaErrorTensorMemoryLeak == 721);

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // clears it, or the next call would report it again
  throw DeviceError(fault_of_cuda(status), std::string(what) + ": " + cudaGetErrorString(status) +
                                               " (" + cudaGetErrorName(status) + ")");
}

namespace {

class CudaGraph final : public Graph {
 public:
  explicit CudaGraph(cudaGraphExec_t exec) : exec_(exec) {}
  ~CudaGraph() override { static_cast<void>(cudaGraphExecDestroy(exec_)); }
  cudaGraphExec_t get() const { return exec_; }

 private:
  cudaGraphExec_t exec_;
};

class CudaStream final : public Stream {
 public:
  CudaStream(int ordinal, Products& products) : ordinal_(ordinal), products_(products) {
    make_current();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
    const auto status = cudaMalloc(&workspace_, workspace_bytes);
    if (status != cudaSuccess) static_cast<void>(cudaStreamDestroy(stream_));
    check(status, "a stream's workspace");
  }

  ~CudaStream() override {
    static_cast<void>(cudaSetDevice(ordinal_));
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(cudaStreamDestroy(stream_));
    static_cast<void>(cudaFree(workspace_));
    static_cast<void>(cudaGetLastError());
  }

  void copy_in(void* to, const void* pinned, std::size_t bytes) override {
    make_current();
    check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream_), "a copy in");
  }
  void copy_out(void* pinned, const void* from, std::size_t bytes) override {
    make_current();
    check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, stream_), "a copy out");
  }
  void run(const Gemm& work) override {
    make_current();
    products_.run(work, stream_, workspace_);
  }
  void run(const EmbedNorm& work) override { start(work); }
  void run(const Attend& work) override { start(work); }
  void run(const Norm& work) override { start(work); }
  void run(const Gelu& work) override { start(work); }
  void run(const TakeFirst& work) override { start(work); }
  void run(const AttendFirst& work) override { start(work); }
  void run(const ScoreHead& work) override { start(work); }
  void run(const MeanHead& work) override { start(work); }

  void begin_capture() override {
    make_current();
    // Thread-local, because other threads may allocate during the capture.
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "capturing a graph");
  }

  std::unique_ptr<Graph> end_capture() override {
    make_current();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    check(cudaStreamEndCapture(stream_, &graph), "capturing a graph");
    const auto status = cudaGraphInstantiate(&exec, graph, 0);
    static_cast<void>(cudaGraphDestroy(graph));
    check(status, "instantiating a graph");
    auto made = std::make_unique<CudaGraph>(exec);
    check(cudaGraphUpload(exec, stream_), "uploading a graph");
    return made;
  }

  void abandon_capture() noexcept override {
    auto capturing = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream_, &capturing) == cudaSuccess &&
        capturing != cudaStreamCaptureStatusNone) {
      cudaGraph_t left = nullptr;
      static_cast<void>(cudaStreamEndCapture(stream_, &left));
      if (left != nullptr) static_cast<void>(cudaGraphDestroy(left));
    }
    static_cast<void>(cudaGetLastError());
  }

  void launch(const Graph& graph) override {
    make_current();
    check(cudaGraphLaunch(static_cast<const CudaGraph&>(graph).get(), stream_),
          "launching a graph");
  }
  void notify(void (*call)(void*), void* argument) override {
    make_current();
    check(cudaLaunchHostFunc(stream_, call, argument), "asking for a notification");
  }
  bool query() override {
    make_current();
    const auto status = cudaStreamQuery(stream_);
    if (status == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    check(status, "a batch");
    return true;
  }
  void wait() override {
    make_current();
    check(cudaStreamSynchronize(stream_), "a batch");
  }
  std::vector<float> time(const Graph& graph, int count) override {
    make_current();
    cudaEvent_t begin = nullptr, end = nullptr;
    check(cudaEventCreate(&begin), "timing a batch");
    check(cudaEventCreate(&end), "timing a batch");
    std::vector<float> took;
    for (int i = 0; i < count; ++i) {
      check(cudaEventRecord(begin, stream_), "timing a batch");
      launch(graph);
      check(cudaEventRecord(end, stream_), "timing a batch");
      check(cudaEventSynchronize(end), "timing a batch");
      float ms = 0;
      check(cudaEventElapsedTime(&ms, begin, end), "timing a batch");
      took.push_back(ms * 1000);
    }
    check(cudaEventDestroy(begin), "timing a batch");
    check(cudaEventDestroy(end), "timing a batch");
    return took;
  }

 private:
  void make_current() const { check(cudaSetDevice(ordinal_), "choosing the GPU"); }

  template <class Work>
  void start(const Work& work) {
    make_current();
    gpu::launch(work, stream_);
  }

  int ordinal_;
  Products& products_;
  cudaStream_t stream_ = nullptr;
  void* workspace_ = nullptr;
};

/// Reads the properties of a GPU, and checks that the kernels can compute on it.
DeviceInfo examine(int ordinal) {
  DeviceInfo info;
  check(cudaDriverGetVersion(&info.driver), "the NVIDIA driver");
  check(cudaRuntimeGetVersion(&info.runtime), "the CUDA runtime");
  if (info.driver == 0) throw DeviceError(Fault::no_driver, "no NVIDIA driver is loaded");
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for a GPU");
  if (ordinal < 0 || ordinal >= count)
    throw DeviceError(Fault::no_device, "there is no GPU number " + std::to_string(ordinal) +
                                            ", only " + std::to_string(count));
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal), "asking for the GPU's properties");
  info.name = properties.name;
  info.capability = 10 * properties.major + properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  if (info.capability < 80)
    throw DeviceError(Fault::too_old,
                      info.name + " has compute capability " + std::to_string(properties.major) +
                          "." + std::to_string(properties.minor) + "; 8.0 or above is required");
  check(cudaSetDevice(ordinal), "choosing the GPU");
  check(cudaMemGetInfo(&info.memory_free_bytes, &info.memory_bytes), "starting the GPU");
  return info;
}

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int ordinal) : ordinal_(ordinal), info_(examine(ordinal)) {}

  const DeviceInfo& info() const noexcept override { return info_; }

  void* allocate(std::size_t bytes) override {
    make_current();
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "the GPU's memory");
    // Cleared, because rows beyond a batch are computed too and must hold finite numbers.
    auto status = cudaMemset(memory, 0, bytes);
    // Our streams do not wait for the stream that cleared the memory.
    if (status == cudaSuccess) status = cudaStreamSynchronize(cudaStreamLegacy);
    if (status != cudaSuccess) release(memory);
    check(status, "the GPU's memory");
    return memory;
  }
  void release(void* memory) noexcept override {
    static_cast<void>(cudaSetDevice(ordinal_));
    static_cast<void>(cudaFree(memory));
    static_cast<void>(cudaGetLastError());
  }
  void* allocate_pinned(std::size_t bytes) override {
    make_current();
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "pinned memory");
    return memory;
  }
  void release_pinned(void* memory) noexcept override {
    if (memory != nullptr) static_cast<void>(cudaFreeHost(memory));
    static_cast<void>(cudaGetLastError());
  }
  void upload(void* to, const void* from, std::size_t bytes) override {
    make_current();
    check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "uploading the weights");
    // From pageable memory cudaMemcpy may return before the last bytes have arrived.
    check(cudaStreamSynchronize(cudaStreamLegacy), "uploading the weights");
  }
  std::unique_ptr<Stream> make_stream() override {
    return std::make_unique<CudaStream>(ordinal_, products_);
  }
  void choose(const Gemm& work) override {
    make_current();
    products_.choose(work);
  }
  std::vector<std::string> choices() const override { return products_.choices(); }

 private:
  void make_current() const { check(cudaSetDevice(ordinal_), "choosing the GPU"); }

  int ordinal_;
  DeviceInfo info_;
  Products products_;
};

/// The devices of this process that are still in use.
struct Opened {
  std::mutex guard;
  std::vector<std::weak_ptr<Device>> by_ordinal;
};

Opened& opened() {
  static Opened all;
  return all;
}

/// Makes a broken context usable again, or throws `restart` where only a new process helps.
/// REQUIRES: nothing of the context is in use.
void reset_context(int ordinal) {
  if (cudaSetDevice(ordinal) == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  static_cast<void>(cudaDeviceReset());
  static_cast<void>(cudaGetLastError());
  // CUDA's headers say of some errors that the process must end. A reset may help all the same; the
  // first call of the new context tells.
  auto status = cudaSetDevice(ordinal);
  if (status == cudaSuccess) status = cudaDeviceSynchronize();
  static_cast<void>(cudaGetLastError());
  if (outlives_a_reset(status))
    throw DeviceError(Fault::restart, std::string("the GPU's context stays broken: ") +
                                          cudaGetErrorName(status));
}

}  // namespace
}  // namespace gpu

std::shared_ptr<Device> open_cuda(int ordinal) {
  auto& all = gpu::opened();
  const std::lock_guard lock(all.guard);
  const auto place = static_cast<std::size_t>(ordinal < 0 ? 0 : ordinal);
  if (place < all.by_ordinal.size()) {
    if (auto device = all.by_ordinal[place].lock()) {
      if (device->abandoned())
        throw DeviceError(Fault::restart,
                          "the GPU hung and may still use what this process gave it");
      gpu::check(cudaSetDevice(ordinal), "choosing the GPU");
      std::size_t free = 0, all_of_it = 0;  // unused: the call reports a broken context
      gpu::check(cudaMemGetInfo(&free, &all_of_it), "the GPU that is in use");
      return device;
    }
    gpu::reset_context(ordinal);
  }
  auto device = std::make_shared<gpu::CudaDevice>(ordinal);
  if (place >= all.by_ordinal.size()) all.by_ordinal.resize(place + 1);
  all.by_ordinal[place] = device;
  return device;
}

}  // namespace memseal::kernels

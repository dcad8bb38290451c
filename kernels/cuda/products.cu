#include "products.cuh"

#include "choice.hpp"

#include <array>
#include <chrono>
#include <string>
#include <thread>

namespace memseal::kernels::gpu {

namespace {

constexpr int candidates_max = 8;
// A product of a small model takes less time than the host needs to submit it. So the products of a
// trial are replayed as one graph, whose time is the device's.
constexpr int trial_products = 20, trial_replays = 3;
// Far above any trial, which takes milliseconds. Long, because another process may hold the device.
constexpr std::chrono::seconds trial_patience(30);
// Every row and bias is aligned to 16 bytes at least, because all sizes are multiples of 8 halves.
constexpr std::uint32_t alignment_bytes = 16;

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(fault_of_cublas(status),
                    std::string(what) + ": " + cublasLtGetStatusString(status));
}

}  // namespace

// cuBLASLt is column-major. To it a row-major weight [out, in] is [in, out], to be transposed;
// input [rows, in] is [in, rows]; the result [rows, out] is [out, rows].
struct Products::Layouts {
  cublasLtMatmulDescOpaque_t product{};
  cublasLtMatrixLayoutOpaque_t weight{}, from{}, to{};

  explicit Layouts(const Gemm& work) {
    check(cublasLtMatmulDescInit(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(work.bias));
    const auto in = static_cast<std::int64_t>(work.in), out = static_cast<std::int64_t>(work.out);
    check(cublasLtMatrixLayoutInit(&weight, CUDA_R_16F, work.in, work.out, in), "a weight");
    check(cublasLtMatrixLayoutInit(&from, CUDA_R_16F, work.in, work.rows, in), "a product's input");
    check(cublasLtMatrixLayoutInit(&to, CUDA_R_16F, work.out, work.rows, out),
          "a product's output");
  }

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check(cublasLtMatmulDescSetAttribute(&product, attribute, &value, sizeof value), "a product");
  }
};

Products::Products() {
  try {
    check(cublasLtCreate(&handle_), "cuBLASLt");
    gpu::check(cudaStreamCreateWithFlags(&trial_stream_, cudaStreamNonBlocking), "a stream");
    gpu::check(cudaEventCreate(&begin_), "an event");
    gpu::check(cudaEventCreate(&end_), "an event");
    gpu::check(cudaMalloc(&trial_workspace_, workspace_bytes), "cuBLASLt's workspace");
  } catch (...) {
    release();  // Probes open a device again and again, so nothing may leak.
    throw;
  }
}

Products::~Products() { release(); }

void Products::release() noexcept {
  // Errors are ignored: a broken device fails these calls, and there is nothing to do about it.
  static_cast<void>(cudaFree(trial_workspace_));
  if (end_ != nullptr) static_cast<void>(cudaEventDestroy(end_));
  if (begin_ != nullptr) static_cast<void>(cudaEventDestroy(begin_));
  if (trial_stream_ != nullptr) static_cast<void>(cudaStreamDestroy(trial_stream_));
  if (handle_ != nullptr) static_cast<void>(cublasLtDestroy(handle_));
  static_cast<void>(cudaGetLastError());
}

void Products::multiply(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm,
                        cudaStream_t stream, void* workspace) const {
  Layouts layouts(work);
  const float one = 1, kept = work.add ? 1.0f : 0.0f;
  check(cublasLtMatmul(handle_, &layouts.product, &one, work.weight, &layouts.weight, work.from,
                       &layouts.from, &kept, work.to, &layouts.to, work.to, &layouts.to, &algorithm,
                       workspace, workspace_bytes, stream),
        "a matrix product");
}

void Products::finish_trial() {
  gpu::check(cudaEventRecord(end_, trial_stream_), "timing a product");
  const auto until = std::chrono::steady_clock::now() + trial_patience;
  auto status = cudaEventQuery(end_);
  for (; status == cudaErrorNotReady; status = cudaEventQuery(end_)) {
    static_cast<void>(cudaGetLastError());
    if (std::chrono::steady_clock::now() > until)
      throw Hung(Fault::lost, "the GPU did not finish a matrix product");
    std::this_thread::yield();
  }
  gpu::check(status, "timing a product");
}

/// `trial_products` products in a graph. REQUIRES: the product ran once, so its code is loaded.
Products::Trial Products::capture(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm) {
  gpu::check(cudaStreamBeginCapture(trial_stream_, cudaStreamCaptureModeThreadLocal),
             "capturing a trial");
  cudaGraph_t graph = nullptr;
  try {
    for (int i = 0; i < trial_products; ++i)
      multiply(work, algorithm, trial_stream_, trial_workspace_);
  } catch (...) {
    // On this thread, which alone can end it.
    static_cast<void>(cudaStreamEndCapture(trial_stream_, &graph));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    static_cast<void>(cudaGetLastError());
    throw;
  }
  gpu::check(cudaStreamEndCapture(trial_stream_, &graph), "capturing a trial");
  cudaGraphExec_t exec = nullptr;
  const auto status = cudaGraphInstantiate(&exec, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  gpu::check(status, "instantiating a trial");
  return Trial(exec, [](cudaGraphExec_t one) { static_cast<void>(cudaGraphExecDestroy(one)); });
}

float Products::time_of(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm) {
  multiply(work, algorithm, trial_stream_, trial_workspace_);
  finish_trial();
  const auto trial = capture(work, algorithm);
  float least = 0;
  for (int i = 0; i < trial_replays; ++i) {
    gpu::check(cudaEventRecord(begin_, trial_stream_), "timing a product");
    gpu::check(cudaGraphLaunch(trial.get(), trial_stream_), "timing a product");
    finish_trial();
    float ms = 0;
    gpu::check(cudaEventElapsedTime(&ms, begin_, end_), "timing a product");
    if (i == 0 || ms < least) least = ms;
  }
  return least * 1000 / trial_products;
}

Products::Chosen Products::algorithm_of(const Gemm& work) {
  Layouts layouts(work);
  cublasLtMatmulPreferenceOpaque_t preference{};
  check(cublasLtMatmulPreferenceInit(&preference), "cuBLASLt's choice");
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check(cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value),
          "cuBLASLt's choice");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_bytes);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_bytes);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_bytes);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_bytes);
  std::array<cublasLtMatmulHeuristicResult_t, candidates_max> candidates{};
  int found = 0;
  check(cublasLtMatmulAlgoGetHeuristic(handle_, &layouts.product, &layouts.weight, &layouts.from,
                                       &layouts.to, &layouts.to, &preference, candidates_max,
                                       candidates.data(), &found),
        "cuBLASLt's choice");
  if (found == 0) throw DeviceError(Fault::unsupported, "cuBLASLt has no product of this size");
  // Only these may be used: the others' fields are not valid.
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < static_cast<std::size_t>(found); ++i)
    if (candidates[i].state == CUBLAS_STATUS_SUCCESS) usable.push_back(i);
  if (usable.empty()) throw DeviceError(Fault::unsupported, "cuBLASLt has no product of this size");
  std::vector<float> took(usable.size());
  // Even a single one is timed, so that its code is loaded before a capture.
  const auto best = fastest(usable.size(), [&](std::size_t i) {
    return took[i] = time_of(work, candidates[usable[i]].algo);
  });
  return {candidates[usable[best]].algo, took[best]};
}

void Products::choose(const Gemm& work) {
  // One thread at a time makes trials; meanwhile the others launch what was chosen.
  const std::lock_guard trying(trying_);
  const auto key = key_of(work);
  {
    const std::lock_guard lock(guard_);
    if (chosen_.contains(key)) return;
  }
  const auto chosen = algorithm_of(work);
  const std::lock_guard lock(guard_);
  chosen_.emplace(key, chosen);
}

std::vector<std::string> Products::choices() const {
  const std::lock_guard lock(guard_);
  std::vector<std::string> lines;
  for (const auto& [key, chosen] : chosen_) {
    const auto of = [&algorithm = chosen.algorithm](cublasLtMatmulAlgoConfigAttributes_t what) {
      int value = -1;
      std::size_t size = 0;
      static_cast<void>(
          cublasLtMatmulAlgoConfigGetAttribute(&algorithm, what, &value, sizeof value, &size));
      return std::to_string(value);
    };
    const auto& [rows, in, out, add] = key;
    lines.push_back(std::to_string(rows) + " x " + std::to_string(in) + " x " +
                    std::to_string(out) + (add ? " added" : "") + ": algorithm " +
                    of(CUBLASLT_ALGO_CONFIG_ID) + ", tile " + of(CUBLASLT_ALGO_CONFIG_TILE_ID) +
                    ", stages " + of(CUBLASLT_ALGO_CONFIG_STAGES_ID) + ", split-K " +
                    of(CUBLASLT_ALGO_CONFIG_SPLITK_NUM) + ", " + std::to_string(chosen.us) + " us");
  }
  return lines;
}

void Products::run(const Gemm& work, cudaStream_t stream, void* workspace) {
  cublasLtMatmulAlgo_t algorithm;
  {
    const std::lock_guard lock(guard_);
    const auto found = chosen_.find(key_of(work));
    if (found == chosen_.end())
      throw DeviceError(Fault::internal,
                        "no algorithm was chosen for a matrix product of this size");
    algorithm = found->second.algorithm;
  }
  multiply(work, algorithm, stream, workspace);
}

}  // namespace memseal::kernels::gpu

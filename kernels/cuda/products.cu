#include "products.cuh"

#include <array>
#include <chrono>
#include <string>
#include <thread>

namespace memseal::kernels::gpu {

namespace {

constexpr int candidates_max = 4, trials = 5;
constexpr std::chrono::seconds trial_patience(
    2);  // far above any product, which takes milliseconds
// Every row and bias is aligned to 16 bytes at least, because all sizes are multiples of 8 halves.
constexpr std::uint32_t alignment_bytes = 16;

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const auto fault = status == CUBLAS_STATUS_ALLOC_FAILED       ? Fault::out_of_memory
                     : status == CUBLAS_STATUS_EXECUTION_FAILED ? Fault::lost
                                                                : Fault::internal;
  throw DeviceError(fault, std::string(what) + ": " + cublasLtGetStatusString(status));
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

float Products::time_of(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm) {
  multiply(work, algorithm, trial_stream_, trial_workspace_);
  gpu::check(cudaEventRecord(begin_, trial_stream_), "timing a product");
  for (int i = 0; i < trials; ++i) multiply(work, algorithm, trial_stream_, trial_workspace_);
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
  float ms = 0;
  gpu::check(cudaEventElapsedTime(&ms, begin_, end_), "timing a product");
  return ms;
}

cublasLtMatmulAlgo_t Products::algorithm_of(const Gemm& work) {
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
  int best = 0;
  float least = 0;
  for (int i = 0; i < found;
       ++i) {  // even a single one, so that its code is loaded before a capture
    const float ms = time_of(work, candidates[static_cast<std::size_t>(i)].algo);
    if (i > 0 && ms >= least) continue;
    best = i;
    least = ms;
  }
  return candidates[static_cast<std::size_t>(best)].algo;
}

void Products::choose(const Gemm& work) {
  const std::lock_guard lock(guard_);
  const auto key = key_of(work);
  if (!chosen_.contains(key)) chosen_.emplace(key, algorithm_of(work));
}

void Products::run(const Gemm& work, cudaStream_t stream, void* workspace) {
  cublasLtMatmulAlgo_t algorithm;
  {
    const std::lock_guard lock(guard_);
    const auto found = chosen_.find(key_of(work));
    if (found == chosen_.end())
      throw DeviceError(Fault::internal,
                        "no algorithm was chosen for a matrix product of this size");
    algorithm = found->second;
  }
  multiply(work, algorithm, stream, workspace);
}

}  // namespace memseal::kernels::gpu

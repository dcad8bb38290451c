#pragma once
// Matrix products by cuBLASLt.
#include "portable.cuh"

#include <cublasLt.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace memseal::kernels::gpu {

/// Workspace of each stream. cuBLASLt's kernels for Hopper use up to 32 MiB.
inline constexpr std::size_t workspace_bytes = std::size_t(32) << 20;

/// Matrix products. The algorithm for each size is chosen once, by timing the likeliest.
/// Thread: any.
class Products {
 public:
  Products();
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  void choose(const Gemm& work);
  /// May be captured, because nothing is timed here. REQUIRES: choose() was called for these sizes.
  void run(const Gemm& work, cudaStream_t stream, void* workspace);
  /// As Device::choices(): cuBLASLt's numbers for each, and its time in the trial.
  std::vector<std::string> choices() const;

 private:
  struct Chosen {
    cublasLtMatmulAlgo_t algorithm;
    float us;
  };
  using Trial = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, void (*)(cudaGraphExec_t)>;
  using Key = std::tuple<std::size_t, std::size_t, std::size_t, bool>;
  static Key key_of(const Gemm& work) { return {work.rows, work.in, work.out, work.add}; }

  struct Layouts;
  Chosen algorithm_of(const Gemm& work);
  void multiply(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm, cudaStream_t stream,
                void* workspace) const;
  void finish_trial();
  Trial capture(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm);
  float time_of(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm);
  void release() noexcept;

  cublasLtHandle_t handle_ = nullptr;
  std::mutex trying_;         // held during trials, which use what follows chosen_
  mutable std::mutex guard_;  // never held across a call of CUDA
  std::map<Key, Chosen> chosen_;
  cudaStream_t trial_stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  void* trial_workspace_ = nullptr;
};

}  // namespace memseal::kernels::gpu

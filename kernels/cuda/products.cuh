#pragma once
// Matrix products by cuBLASLt.
#include "portable.cuh"

#include <cublasLt.h>

#include <map>
#include <mutex>
#include <tuple>

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

 private:
  using Key = std::tuple<std::size_t, std::size_t, std::size_t, bool>;
  static Key key_of(const Gemm& work) { return {work.rows, work.in, work.out, work.add}; }

  struct Layouts;
  cublasLtMatmulAlgo_t algorithm_of(const Gemm& work);
  void multiply(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm, cudaStream_t stream,
                void* workspace) const;
  float time_of(const Gemm& work, const cublasLtMatmulAlgo_t& algorithm);

  void release() noexcept;

  cublasLtHandle_t handle_ = nullptr;
  std::mutex guard_;
  std::map<Key, cublasLtMatmulAlgo_t> chosen_;
  cudaStream_t trial_stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  void* trial_workspace_ = nullptr;
};

}  // namespace memseal::kernels::gpu

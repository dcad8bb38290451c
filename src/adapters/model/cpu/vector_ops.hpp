#pragma once
// Attention, GELU and LayerNorm in vector code, chosen at run time, because oneDNN is slow at them.
#include <cstddef>
#include <vector>

namespace memseal::model {

/// One sequence's attention, all heads: rows of `query`, `key` and `value` hold the heads side by
/// side. Strides are in floats. out[query rows, heads * head_size] = softmax(QK'/sqrt(d))V.
struct Attention {
  const float* query = nullptr;
  const float* key = nullptr;
  const float* value = nullptr;
  std::size_t query_stride = 0, key_stride = 0;   ///< value rows have the key's stride
  std::size_t queries = 0, keys = 0;              ///< rows, each >= 1
  std::size_t heads = 0, head_size = 0;
  float* out = nullptr;
  std::size_t out_stride = 0;
  float* scratch = nullptr;                       ///< attention_scratch() floats, 64-byte aligned
};

/// Floats of scratch for any call with at most these sizes.
std::size_t attention_scratch(std::size_t keys, std::size_t head_size);

/// One instruction set's functions. All sizes are allowed; multiples of 16 are fast. Thread: any.
struct VectorOps {
  const char* isa;
  /// x = gelu(x) = x/2 (1 + erf(x/sqrt 2)); absolute error below 2e-6 for |x| <= 12.
  void (*gelu)(float* x, std::size_t count);
  /// x = LayerNorm(x + y) gain + bias, row by row; `y` may be null.
  void (*add_norm)(float* x, const float* y, const float* gain, const float* bias, float eps,
                   std::size_t rows, std::size_t width);
  void (*attend)(const Attention& attention);
};

/// The fastest set that this machine runs; the same for the life of the process.
const VectorOps& best_vector_ops();
/// Every set that this machine runs, the fastest first; for tests.
std::vector<const VectorOps*> runnable_vector_ops();

extern const VectorOps vector_ops_avx512, vector_ops_avx2, vector_ops_baseline;

}  // namespace memseal::model

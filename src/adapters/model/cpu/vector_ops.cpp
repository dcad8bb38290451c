#include "adapters/model/cpu/vector_ops.hpp"

namespace memseal::model {

namespace {

// Of the widest set, so that scratch memory fits whichever set runs.
constexpr std::size_t lanes_max = 16, block_rows_max = 12;

std::size_t padded(std::size_t count, std::size_t step) { return (count + step - 1) / step * step; }

}  // namespace

std::size_t attention_scratch(std::size_t keys, std::size_t head_size) {
  const auto columns = padded(keys, 2 * lanes_max), width = padded(head_size, 2 * lanes_max);
  return head_size * columns + keys * width +
         block_rows_max * (columns + width + padded(head_size, lanes_max));
}

std::vector<const VectorOps*> runnable_vector_ops() {
  std::vector<const VectorOps*> sets;
#if defined(__x86_64__)
  // The compiler's run-time check also asks whether the system saves the wide registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    sets.push_back(&vector_ops_avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    sets.push_back(&vector_ops_avx2);
#endif
  sets.push_back(&vector_ops_baseline);
  return sets;
}

const VectorOps& best_vector_ops() {
  static const VectorOps& best = *runnable_vector_ops().front();
  return best;
}

}  // namespace memseal::model

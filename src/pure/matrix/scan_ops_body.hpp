#pragma once
// Each scan_ops_<isa>.cpp includes this once, after it names its namespace (MEMSEAL_ISA) and its
// lanes (MEMSEAL_LANES), and switches its instruction set on. NOTE: instantiate nothing of the
// standard library here, because the linker could choose this copy for a machine that cannot run
// it.

namespace memseal::matrix::MEMSEAL_ISA {
namespace {

constexpr long lanes = MEMSEAL_LANES;
// Rows that stay in the first cache while each group of questions passes over them.
constexpr long tile_rows = 32;

typedef float Vec __attribute__((vector_size(4 * MEMSEAL_LANES)));
typedef float LooseVec __attribute__((vector_size(4 * MEMSEAL_LANES), aligned(4), may_alias));

#define MEMSEAL_INLINE static inline __attribute__((always_inline))

MEMSEAL_INLINE Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }

#if MEMSEAL_LANES == 16
MEMSEAL_INLINE Vec load_halves(const unsigned short* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
#define MEMSEAL_SWAP(v, step)                                                                  \
  __builtin_shufflevector(v, v, 0 ^ step, 1 ^ step, 2 ^ step, 3 ^ step, 4 ^ step, 5 ^ step,    \
                          6 ^ step, 7 ^ step, 8 ^ step, 9 ^ step, 10 ^ step, 11 ^ step,        \
                          12 ^ step, 13 ^ step, 14 ^ step, 15 ^ step)
#elif MEMSEAL_LANES == 8
MEMSEAL_INLINE Vec load_halves(const unsigned short* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
#define MEMSEAL_SWAP(v, step)                                                                  \
  __builtin_shufflevector(v, v, 0 ^ step, 1 ^ step, 2 ^ step, 3 ^ step, 4 ^ step, 5 ^ step,    \
                          6 ^ step, 7 ^ step)
#else
typedef unsigned Bits __attribute__((vector_size(4 * MEMSEAL_LANES)));
typedef unsigned short Halves __attribute__((vector_size(2 * MEMSEAL_LANES)));
typedef unsigned short LooseHalves
    __attribute__((vector_size(2 * MEMSEAL_LANES), aligned(2), may_alias));

// As codec::half_value(): the bits in the place of a float's are the value times 2^-112.
MEMSEAL_INLINE Vec load_halves(const unsigned short* from) {
  const Halves loaded = *reinterpret_cast<const LooseHalves*>(from);
  const Bits bits = __builtin_convertvector(loaded, Bits);
  const Vec magnitude = reinterpret_cast<Vec>((bits & 0x7fffu) << 13) * 0x1p112f;
  return reinterpret_cast<Vec>(reinterpret_cast<Bits>(magnitude) | ((bits & 0x8000u) << 16));
}
#define MEMSEAL_SWAP(v, step) \
  __builtin_shufflevector(v, v, 0 ^ step, 1 ^ step, 2 ^ step, 3 ^ step)
#endif

MEMSEAL_INLINE float sum_of(Vec v) {
#if MEMSEAL_LANES >= 16
  v += MEMSEAL_SWAP(v, 8);
#endif
#if MEMSEAL_LANES >= 8
  v += MEMSEAL_SWAP(v, 4);
#endif
  v += MEMSEAL_SWAP(v, 2);
  v += MEMSEAL_SWAP(v, 1);
  return v[0];
}

/// `Rows` rows with `Questions` questions: as many sums at once as hide the time of an addition.
template <int Rows, int Questions>
MEMSEAL_INLINE void dot_block(const unsigned short* rows, long stride, const float* questions,
                              float* out, long out_stride) {
  Vec sums[Rows][Questions] = {};
  for (long at = 0; at < stride; at += lanes) {
    Vec asked[Questions];
    for (int q = 0; q < Questions; ++q) asked[q] = load(questions + q * stride + at);
    for (int row = 0; row < Rows; ++row) {
      const Vec numbers = load_halves(rows + row * stride + at);
      for (int q = 0; q < Questions; ++q) sums[row][q] += numbers * asked[q];
    }
  }
  for (int row = 0; row < Rows; ++row)
    for (int q = 0; q < Questions; ++q) out[q * out_stride + row] = sum_of(sums[row][q]);
}

template <int Rows, int Questions>
void dot_tile(const unsigned short* rows, long stride, long count, const float* questions,
              float* out, long out_stride) {
  long row = 0;
  for (; row + Rows <= count; row += Rows)
    dot_block<Rows, Questions>(rows + row * stride, stride, questions, out + row, out_stride);
  for (; row < count; ++row)
    dot_block<1, Questions>(rows + row * stride, stride, questions, out + row, out_stride);
}

void dots(const unsigned short* rows, std::size_t stride_of_row, std::size_t row_count,
          const float* questions, std::size_t question_count, float* out,
          std::size_t stride_of_out) {
  const long stride = static_cast<long>(stride_of_row), count = static_cast<long>(row_count);
  const long asked = static_cast<long>(question_count);
  const long out_stride = static_cast<long>(stride_of_out);
  for (long first = 0; first < count; first += tile_rows) {
    const long some = count - first < tile_rows ? count - first : tile_rows;
    const auto* tile = rows + first * stride;
    long q = 0;
    for (; q + 4 <= asked; q += 4)
      dot_tile<2, 4>(tile, stride, some, questions + q * stride, out + q * out_stride + first,
                     out_stride);
    for (; q + 2 <= asked; q += 2)
      dot_tile<4, 2>(tile, stride, some, questions + q * stride, out + q * out_stride + first,
                     out_stride);
    for (; q < asked; ++q)
      dot_tile<8, 1>(tile, stride, some, questions + q * stride, out + q * out_stride + first,
                     out_stride);
  }
}

void squares(const unsigned short* rows, std::size_t stride_of_row, std::size_t row_count,
             float* out) {
  const long stride = static_cast<long>(stride_of_row), count = static_cast<long>(row_count);
  for (long row = 0; row < count; ++row) {
    Vec even{}, odd{};
    // A stride has a multiple of 32 numbers, so of two steps too.
    for (long at = 0; at < stride; at += 2 * lanes) {
      const Vec first = load_halves(rows + row * stride + at);
      const Vec second = load_halves(rows + row * stride + at + lanes);
      even += first * first;
      odd += second * second;
    }
    out[row] = sum_of(even + odd);
  }
}

}  // namespace
}  // namespace memseal::matrix::MEMSEAL_ISA

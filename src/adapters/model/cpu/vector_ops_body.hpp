#pragma once
// Each vector_ops_<isa>.cpp includes this once, after it names its namespace (MEMSEAL_ISA), its
// lanes (MEMSEAL_LANES) and the rows of its register block (MEMSEAL_ROWS), and switches its
// instruction set on. NOTE: instantiate nothing of the standard library here, because the linker
// could choose this copy for a machine that cannot run it.

namespace memseal::model::MEMSEAL_ISA {
namespace {

constexpr long lanes = MEMSEAL_LANES, block_rows = MEMSEAL_ROWS, pair = 2 * lanes;

typedef float Vec __attribute__((vector_size(4 * MEMSEAL_LANES)));
typedef int Ints __attribute__((vector_size(4 * MEMSEAL_LANES)));
typedef float LooseVec __attribute__((vector_size(4 * MEMSEAL_LANES), aligned(4), may_alias));

#define MEMSEAL_INLINE static inline __attribute__((always_inline))

MEMSEAL_INLINE Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }
MEMSEAL_INLINE void store(float* to, Vec v) { *reinterpret_cast<LooseVec*>(to) = v; }
MEMSEAL_INLINE Vec splat(float value) { return value - Vec{}; }
MEMSEAL_INLINE Vec greater(Vec a, Vec b) { return a > b ? a : b; }
MEMSEAL_INLINE Vec lesser(Vec a, Vec b) { return a < b ? a : b; }

// Lanes i and i ^ step change places.
#if MEMSEAL_LANES == 16
#define MEMSEAL_SWAP(v, step)                                                                  \
  __builtin_shufflevector(v, v, 0 ^ step, 1 ^ step, 2 ^ step, 3 ^ step, 4 ^ step, 5 ^ step,    \
                          6 ^ step, 7 ^ step, 8 ^ step, 9 ^ step, 10 ^ step, 11 ^ step,        \
                          12 ^ step, 13 ^ step, 14 ^ step, 15 ^ step)
#elif MEMSEAL_LANES == 8
#define MEMSEAL_SWAP(v, step)                                                                  \
  __builtin_shufflevector(v, v, 0 ^ step, 1 ^ step, 2 ^ step, 3 ^ step, 4 ^ step, 5 ^ step,    \
                          6 ^ step, 7 ^ step)
#else
#define MEMSEAL_SWAP(v, step) \
  __builtin_shufflevector(v, v, 0 ^ step, 1 ^ step, 2 ^ step, 3 ^ step)
#endif

// Halving: adding pool after pool would wait for each sum.
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
MEMSEAL_INLINE float greatest_of(Vec v) {
#if MEMSEAL_LANES >= 16
  v = greater(v, MEMSEAL_SWAP(v, 8));
#endif
#if MEMSEAL_LANES >= 8
  v = greater(v, MEMSEAL_SWAP(v, 4));
#endif
  v = greater(v, MEMSEAL_SWAP(v, 2));
  v = greater(v, MEMSEAL_SWAP(v, 1));
  return v[0];
}
MEMSEAL_INLINE long padded(long count, long step) { return (count + step - 1) / step * step; }

// 2^x for x <= 0: 2^n by the exponent bits, the fraction by a minimax polynomial (relative error
// 8e-8). Adding 1.5 * 2^23 leaves n in the low bits.
MEMSEAL_INLINE Vec exp2_nonpositive(Vec x) {
  const Vec shift = splat(12582912.0f);
  x = greater(x, splat(-126.0f));
  const Vec shifted = x + shift;
  const Vec f = x - (shifted - shift);
  Vec p = splat(0.0013276450335979462f) * f + 0.009675540961325169f;
  p = p * f + 0.05550713464617729f;
  p = p * f + 0.24022120237350464f;
  p = p * f + 0.6931469440460205f;
  p = p * f + 1.0000001192092896f;
  return reinterpret_cast<Vec>(reinterpret_cast<Ints>(p) +
                               (reinterpret_cast<Ints>(shifted) << 23));
}

// erf(x/sqrt 2) as x P(x^2)/Q(x^2), minimax on |x| <= 5.5 (error 2e-8 before rounding); beyond
// that it is 1 within 4e-8.
MEMSEAL_INLINE Vec gelu_of(Vec x) {
  const Vec c = lesser(greater(x, splat(-5.5f)), splat(5.5f));
  const Vec t = c * c;
  Vec p = splat(4.5498804723820285e-08f) * t + 1.2704202163149603e-05f;
  Vec q = splat(1.197503706862335e-06f) * t + 7.364716293523088e-05f;
  p = p * t + 0.00033764963154681027f;
  q = q * t + 0.0018844401929527521f;
  p = p * t + 0.00935451127588749f;
  q = q * t + 0.028645828366279602f;
  p = p * t + 0.06770514696836472f;
  q = q * t + 0.2515217363834381f;
  p = p * t + 0.797884464263916f;
  q = q * t + 1.0f;
  const Vec half = 0.5f * x;
  return half * (c * p / q) + half;
}

void gelu(float* x, std::size_t count) {
  const long n = static_cast<long>(count);
  long i = 0;
  for (; i + lanes <= n; i += lanes) store(x + i, gelu_of(load(x + i)));
  if (i == n) return;
  Vec rest{};
  for (long k = 0; i + k < n; ++k) rest[k] = x[i + k];
  rest = gelu_of(rest);
  for (long k = 0; i + k < n; ++k) x[i + k] = rest[k];
}

void add_norm_row(float* x, const float* y, const float* gain, const float* bias, float eps,
                  long width) {
  Vec sums{};
  float sum = 0;
  long i = 0;
  for (; i + lanes <= width; i += lanes) {
    Vec v = load(x + i);
    if (y != nullptr) v += load(y + i);
    store(x + i, v);
    sums += v;
  }
  for (; i < width; ++i) sum += x[i] += y != nullptr ? y[i] : 0.0f;
  const float mean = (sum + sum_of(sums)) / static_cast<float>(width);

  Vec squares{};
  float square = 0;
  for (i = 0; i + lanes <= width; i += lanes) {
    const Vec d = load(x + i) - mean;
    squares += d * d;
  }
  for (; i < width; ++i) square += (x[i] - mean) * (x[i] - mean);
  const float variance = (square + sum_of(squares)) / static_cast<float>(width);

  const float scale = 1.0f / __builtin_sqrtf(variance + eps);
  for (i = 0; i + lanes <= width; i += lanes)
    store(x + i, (load(x + i) - mean) * scale * load(gain + i) + load(bias + i));
  for (; i < width; ++i) x[i] = (x[i] - mean) * scale * gain[i] + bias[i];
}

void add_norm(float* x, const float* y, const float* gain, const float* bias, float eps,
              std::size_t rows, std::size_t width) {
  for (std::size_t row = 0; row < rows; ++row, x += width) {
    add_norm_row(x, y, gain, bias, eps, static_cast<long>(width));
    if (y != nullptr) y += width;
  }
}

// c[rows, pair] = a[rows, depth] * b[depth, pair], everything in registers.
template <int rows>
void tile(const float* a, long a_stride, const float* b, long depth, float* c, long c_stride) {
  Vec left[rows] = {}, right[rows] = {};
  for (long k = 0; k < depth; ++k, b += pair) {
    const Vec b0 = load(b), b1 = load(b + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Vec ar = splat(a[r * a_stride + k]);
      left[r] += ar * b0;
      right[r] += ar * b1;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    store(c + r * c_stride, left[r]);
    store(c + r * c_stride + lanes, right[r]);
  }
}

template <int rows>
void tile_rows(int wanted, const float* a, long a_stride, const float* b, long depth, float* c,
               long c_stride) {
  if (wanted == rows) return tile<rows>(a, a_stride, b, depth, c, c_stride);
  if constexpr (rows > 1) tile_rows<rows - 1>(wanted, a, a_stride, b, depth, c, c_stride);
}

// c[rows, columns] = a[rows, depth] * b[depth, columns]; b lies in panels of `pair` columns.
void multiply(int rows, const float* a, long a_stride, const float* b, long columns, long depth,
              float* c, long c_stride) {
  for (long column = 0; column < columns; column += pair, b += depth * pair)
    tile_rows<block_rows>(rows, a, a_stride, b, depth, c + column, c_stride);
}

// Turns the first `count` of a row of `columns` scores into weights whose sum it returns.
float soften(float* row, long count, long columns, float scale) {
  for (long i = count; i < columns; ++i) row[i] = -1e30f;
  Vec most = load(row);
  for (long i = lanes; i < columns; i += lanes) most = greater(most, load(row + i));
  const float peak = greatest_of(most);

  Vec sums{};
  for (long i = 0; i < columns; i += lanes) {
    const Vec weight = exp2_nonpositive((load(row + i) - peak) * scale);
    store(row + i, weight);
    sums += weight;
  }
  return sum_of(sums);
}

struct Head {
  float* keys;      // [head_size, columns], transposed, in panels
  float* values;    // [keys, width], in panels
  float* scores;    // [block_rows, columns]
  float* context;   // [block_rows, width]
};

// Panels of `pair` columns, each contiguous: what one tile reads never collides in the cache.
// Columns beyond the matrix are 0.
void pack_keys(const Attention& at, long offset, float* to) {
  const long keys = static_cast<long>(at.keys), size = static_cast<long>(at.head_size);
  const long stride = static_cast<long>(at.key_stride);
  for (long first = 0; first < keys; first += pair, to += size * pair) {
    const long here = keys - first < pair ? keys - first : pair;
    const float* const from = at.key + first * stride + offset;
    for (long j = 0; j < here; ++j)
      for (long d = 0; d < size; ++d) to[d * pair + j] = from[j * stride + d];
    for (long j = here; j < pair; ++j)
      for (long d = 0; d < size; ++d) to[d * pair + j] = 0;
  }
}

void pack_values(const Attention& at, long offset, float* to) {
  const long keys = static_cast<long>(at.keys), size = static_cast<long>(at.head_size);
  const long stride = static_cast<long>(at.key_stride);
  for (long first = 0; first < size; first += pair) {
    const long here = size - first < pair ? size - first : pair;
    const float* from = at.value + offset + first;
    for (long j = 0; j < keys; ++j, from += stride, to += pair) {
      for (long d = 0; d < here; ++d) to[d] = from[d];
      for (long d = here; d < pair; ++d) to[d] = 0;
    }
  }
}

void attend_rows(const Attention& at, long offset, long first, int rows, const Head& head) {
  const long keys = static_cast<long>(at.keys), size = static_cast<long>(at.head_size);
  const long columns = padded(keys, pair), width = padded(size, pair);
  const long query_stride = static_cast<long>(at.query_stride);
  const float scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(size));
  multiply(rows, at.query + first * query_stride + offset, query_stride, head.keys, columns, size,
           head.scores, columns);
  float share[block_rows];
  for (int r = 0; r < rows; ++r)
    share[r] = 1.0f / soften(head.scores + r * columns, keys, columns, scale);
  multiply(rows, head.scores, columns, head.values, width, keys, head.context, width);
  for (int r = 0; r < rows; ++r) {
    float* const to = at.out + (first + r) * static_cast<long>(at.out_stride) + offset;
    const float* const from = head.context + r * width;
    for (long d = 0; d < size; ++d) to[d] = from[d] * share[r];
  }
}

void attend(const Attention& at) {
  const long queries = static_cast<long>(at.queries), keys = static_cast<long>(at.keys);
  const long size = static_cast<long>(at.head_size);
  const long columns = padded(keys, pair), width = padded(size, pair);
  Head head;
  head.keys = at.scratch;
  head.values = head.keys + size * columns;
  head.scores = head.values + keys * width;
  head.context = head.scores + block_rows * columns;
  for (long h = 0; h < static_cast<long>(at.heads); ++h) {
    pack_keys(at, h * size, head.keys);
    pack_values(at, h * size, head.values);
    for (long first = 0; first < queries; first += block_rows)
      attend_rows(at, h * size, first,
                  static_cast<int>(queries - first < block_rows ? queries - first : block_rows),
                  head);
  }
}

#undef MEMSEAL_INLINE
#undef MEMSEAL_SWAP

}  // namespace
}  // namespace memseal::model::MEMSEAL_ISA

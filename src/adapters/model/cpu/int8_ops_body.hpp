#pragma once
// Each int8_ops_<isa>.cpp includes this once, after it names its namespace (MEMSEAL_ISA), its lanes
// (MEMSEAL_LANES), the rows (MEMSEAL_ROWS) and panels (MEMSEAL_PANELS) of its register block, and
// defines MEMSEAL_DOT(sums, four, weights): to each lane's sum the product of the same four
// unsigned numbers with the lane's own four signed ones is added.
// NOTE: instantiate nothing of the standard library here, because the linker could choose this copy
// for a machine that cannot run it.

namespace memseal::model::MEMSEAL_ISA {
namespace {

constexpr long lanes = MEMSEAL_LANES;
typedef float Vec __attribute__((vector_size(4 * MEMSEAL_LANES)));
typedef int Ints __attribute__((vector_size(4 * MEMSEAL_LANES)));
typedef float LooseVec __attribute__((vector_size(4 * MEMSEAL_LANES), aligned(4), may_alias));
typedef int LooseInts __attribute__((vector_size(4 * MEMSEAL_LANES), aligned(4), may_alias));

#define MEMSEAL_INLINE static inline __attribute__((always_inline))

MEMSEAL_INLINE Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }
MEMSEAL_INLINE Ints load(const void* from) { return *static_cast<const LooseInts*>(from); }
MEMSEAL_INLINE Vec greater(Vec a, Vec b) { return a > b ? a : b; }
MEMSEAL_INLINE Vec lesser(Vec a, Vec b) { return a < b ? a : b; }

// Adding 1.5 * 2^23 rounds to an integer, ties to even, as long as the number is below 2^22.
constexpr float rounding = 12582912.0f;

/// The row's range, from 0 on, so that 0 is a number without error.
void range_of(const float* x, long width, float& low, float& high) {
  Vec lows{}, highs{};
  long i = 0;
  for (; i + lanes <= width; i += lanes) {
    lows = lesser(lows, load(x + i));
    highs = greater(highs, load(x + i));
  }
  low = high = 0;
  for (long k = 0; k < lanes; ++k) {
    low = lows[k] < low ? lows[k] : low;
    high = highs[k] > high ? highs[k] : high;
  }
  for (; i < width; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
}

MEMSEAL_INLINE float nearest(float x) {
  const volatile float shifted = x + rounding;
  return shifted - rounding;
}

void quantise_row(const float* x, long width, std::uint8_t* to, float& scale, std::int32_t& zero) {
  float low, high;
  range_of(x, width, low, high);
  const float range = high - low;
  // Also for a range that is not finite or too small to divide by.
  const bool usable = range > 1e-30f && range < 1e30f;
  scale = usable ? range / 255.0f : 1.0f;
  const float inverse = usable ? 255.0f / range : 1.0f;
  const float shift = usable ? nearest(-low * inverse) : 0.0f;
  zero = static_cast<std::int32_t>(shift);
  long i = 0;
  for (; i + lanes <= width; i += lanes) {
    // The product is rounded before anything is added, so that every machine gets the same.
    const Vec scaled = lesser(greater(load(x + i) * inverse, Vec{} - 300.0f), Vec{} + 300.0f);
    const Vec shifted = scaled + rounding;
    const Vec moved = lesser(greater((shifted - rounding) + shift, Vec{}), Vec{} + 255.0f);
    const Ints whole = __builtin_convertvector(moved, Ints);
    typedef std::uint8_t Bytes __attribute__((vector_size(MEMSEAL_LANES)));
    const Bytes bytes = __builtin_convertvector(whole, Bytes);
    __builtin_memcpy(to + i, &bytes, sizeof bytes);
  }
  for (; i < width; ++i) {
    float scaled = x[i] * inverse;
    scaled = scaled > -300.0f ? scaled : -300.0f;
    scaled = scaled < 300.0f ? scaled : 300.0f;
    const float moved = nearest(scaled) + shift;
    to[i] = static_cast<std::uint8_t>(moved < 0 ? 0.0f : moved > 255 ? 255.0f : moved);
  }
}

void quantise(const float* x, std::size_t count, std::size_t width, const QuantisedRows& rows) {
  for (std::size_t row = 0; row < count; ++row)
    quantise_row(x + row * width, static_cast<long>(width), rows.numbers + row * rows.stride,
                 rows.scales[row], rows.zeros[row]);
}

MEMSEAL_INLINE Ints four_of(const std::uint8_t* from) {
  int four;
  __builtin_memcpy(&four, from, sizeof four);
  return four - Ints{};
}

/// Writes (sums - zero * column sums) * (row's scale * column's) + bias of a panel.
MEMSEAL_INLINE void finish(Ints sums, const Int8Weights& weights, long first, float scale,
                           std::int32_t zero, float* to) {
  const long out = static_cast<long>(weights.out);
  const long here = out - first < lanes ? out - first : lanes;
  if (here == lanes) {
    const Ints columns = load(static_cast<const void*>(weights.sums + first));
    const Vec whole = __builtin_convertvector(sums - columns * zero, Vec);
    const Vec scaled = whole * (load(weights.scales + first) * scale);
    *reinterpret_cast<LooseVec*>(to) = scaled + load(weights.bias + first);
    return;
  }
  for (long k = 0; k < here; ++k) {
    const float whole = static_cast<float>(sums[k] - weights.sums[first + k] * zero);
    const float scaled = whole * (weights.scales[first + k] * scale);
    to[k] = scaled + weights.bias[first + k];
  }
}

template <int rows, int panels>
void tile(const QuantisedRows& from, std::size_t row, const Int8Weights& weights, long first,
          float* to) {
  const long stride = static_cast<long>(from.stride);
  const std::uint8_t* const numbers = from.numbers + row * from.stride;
  const std::int8_t* const packed = weights.packed + first * stride;
  Ints sums[rows][panels] = {};
  for (long k = 0; k < stride; k += 4) {
    Ints columns[panels];
#pragma GCC unroll 16
    for (int p = 0; p < panels; ++p)
      columns[p] = load(static_cast<const void*>(packed + p * lanes * stride + k * lanes));
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Ints four = four_of(numbers + r * stride + k);
#pragma GCC unroll 16
      for (int p = 0; p < panels; ++p) sums[r][p] = MEMSEAL_DOT(sums[r][p], four, columns[p]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    const auto at = row + static_cast<std::size_t>(r);
#pragma GCC unroll 16
    for (int p = 0; p < panels; ++p)
      finish(sums[r][p], weights, first + p * lanes, from.scales[at], from.zeros[at],
             to + at * weights.out + static_cast<std::size_t>(first + p * lanes));
  }
}

template <int panels>
void panels_of_rows(const QuantisedRows& rows, std::size_t count, const Int8Weights& weights,
                    long first, float* to) {
  std::size_t row = 0;
  for (; row + MEMSEAL_ROWS <= count; row += MEMSEAL_ROWS)
    tile<MEMSEAL_ROWS, panels>(rows, row, weights, first, to);
  for (; row < count; ++row) tile<1, panels>(rows, row, weights, first, to);
}

void multiply(const QuantisedRows& rows, std::size_t count, const Int8Weights& weights, float* to) {
  const long out = static_cast<long>(weights.out);
  long first = 0;
  for (; first + (MEMSEAL_PANELS - 1) * lanes < out; first += MEMSEAL_PANELS * lanes)
    panels_of_rows<MEMSEAL_PANELS>(rows, count, weights, first, to);
  for (; first < out; first += lanes) panels_of_rows<1>(rows, count, weights, first, to);
}

#undef MEMSEAL_INLINE

}  // namespace
}  // namespace memseal::model::MEMSEAL_ISA

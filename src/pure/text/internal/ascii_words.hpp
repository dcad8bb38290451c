#pragma once
// The fast path for the commonest input: short words of ASCII letters and digits, compared whole.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace memseal::text {

static_assert(std::endian::native == std::endian::little, "the first byte must be the lowest");

/// The run of ASCII letters and digits at the start of up to 16 bytes, in lower case.
struct AsciiRun {
  static constexpr std::size_t window = 16;

  std::size_t size;             ///< 16: the run may be longer
  std::uint64_t first, second;  ///< its bytes, then zeros

  /// REQUIRES: `text` is not empty. Reads no byte past its end.
  static AsciiRun read(std::string_view text) noexcept {
    char bytes[window] = {};
    std::memcpy(bytes, text.data(), text.size() < window ? text.size() : window);
    return of(bytes);
  }

  /// Reads 16 bytes.
  static AsciiRun of(const char* bytes) noexcept {
#if defined(__SSE2__)
    return of_vector(bytes);
#else
    return of_words(bytes);
#endif
  }

  /// The same as `of` by 64-bit arithmetic, for machines without SSE2.
  static AsciiRun of_words(const char* bytes) noexcept {
    std::uint64_t first, second;
    std::memcpy(&first, bytes, 8);
    std::memcpy(&second, bytes + 8, 8);
    const Half low = half(first), high = half(second);
    if (low.size < 8) return {low.size, low.lower & below(low.size), 0};
    if (high.size == 8) return {window, low.lower, high.lower};
    return {8 + high.size, low.lower, high.lower & below(high.size)};
  }

#if defined(__SSE2__)
  static AsciiRun of_vector(const char* bytes) noexcept {
    const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    const __m128i bit = _mm_set1_epi8(0x20);
    const __m128i letters = within(_mm_or_si128(text, bit), 'a', 'z');
    const __m128i words = _mm_or_si128(letters, within(text, '0', '9'));
    const __m128i lower = _mm_or_si128(text, _mm_and_si128(letters, bit));
    const auto ends = ~static_cast<unsigned>(_mm_movemask_epi8(words));
    const auto size = static_cast<std::size_t>(std::countr_zero(ends));  // 16 at most
    static constexpr char keep[2 * window] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                              -1, -1, -1, -1, -1, -1, -1, -1};
    const __m128i mask =
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(keep + window - size));
    std::uint64_t halves[2];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves), _mm_and_si128(lower, mask));
    return {size, halves[0], halves[1]};
  }
#endif

 private:
  struct Half {
    std::size_t size;     // bytes of the run in these eight
    std::uint64_t lower;  // all eight, letters in lower case
  };

  // Ones in the lowest `size` < 8 bytes.
  static constexpr std::uint64_t below(std::size_t size) {
    return (std::uint64_t{1} << 8 * size) - 1;
  }

  static constexpr std::uint64_t each(std::uint64_t byte) { return byte * 0x0101010101010101; }

  // For bytes below 0x80: the high bit of each byte in [low, high].
  static constexpr std::uint64_t within(std::uint64_t bytes, std::uint64_t low,
                                        std::uint64_t high) {
    return (bytes + each(0x80 - low)) & ~(bytes + each(0x7F - high)) & each(0x80);
  }

#if defined(__SSE2__)
  static __m128i within(__m128i bytes, char low, char high) {  // signed: no byte above 0x7F passes
    return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(static_cast<char>(low - 1))),
                         _mm_cmplt_epi8(bytes, _mm_set1_epi8(static_cast<char>(high + 1))));
  }
#endif

  static Half half(std::uint64_t bytes) noexcept {
    const std::uint64_t seven = bytes & each(0x7F);
    const std::uint64_t letters = within(seven | each(0x20), 'a', 'z');
    const std::uint64_t words = (letters | within(seven, '0', '9')) & ~bytes;
    const std::uint64_t ends = ~words & each(0x80);
    return {static_cast<std::size_t>(std::countr_zero(ends)) / 8, bytes | letters >> 2};
  }
};

/// The whole words of up to 12 bytes that have a token of their own.
class AsciiWords {
 public:
  static constexpr std::size_t bytes_max = 12;
  static constexpr std::int32_t none = -1;

  /// REQUIRES: `words` are runs of at most bytes_max bytes, each once.
  struct Entry {
    AsciiRun run;
    std::int32_t id;
  };
  explicit AsciiWords(const std::vector<Entry>& words)
      : shift_(64u - static_cast<unsigned>(std::bit_width(4 * words.size() + 3) - 1)),
        slots_(std::size_t{1} << (64 - shift_)) {
    for (const auto& [run, id] : words) {
      std::size_t at = home(run);
      while (slots_[at].id != none) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = {run.first, static_cast<std::uint32_t>(run.second), id};
    }
  }

  /// The token of a run of at most bytes_max bytes, or `none`.
  std::int32_t find(const AsciiRun& run) const noexcept {
    for (std::size_t at = home(run);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.first == run.first && slot.second == run.second) return slot.id;
      if (slot.id == none) return none;
    }
  }

 private:
  struct Slot {
    std::uint64_t first = 0;
    std::uint32_t second = 0;
    std::int32_t id = none;
  };

  std::size_t home(const AsciiRun& run) const noexcept {
    const std::uint64_t mixed = run.first ^ run.second * 0xD6E8FEB86659FD93;
    return static_cast<std::size_t>(mixed * 0x9E3779B97F4A7C15 >> shift_);
  }

  unsigned shift_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace memseal::text

#include "adapters/postgres/internal/binary.hpp"

#include "pure/codec/big_endian.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace memseal::postgres {

namespace {

void put16(std::string& out, std::uint16_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

void put32(std::string& out, std::uint32_t value) {
  const char four[]{static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                    static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(four, 4);
}

#if defined(__x86_64__)
// F16C is bit 29 of ECX of leaf 1; clang 14 has no name for it. "avx" implies that the system saves
// the YMM registers.
bool has_f16c() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c >> 29 & 1) != 0;
}

// Converts eight values at a time, rounding as half_bits() does. Returns how many it converted.
__attribute__((target("avx,f16c"))) std::size_t put_halves_f16c(char* to,
                                                                 std::span<const float> values) {
  const __m128i swap = _mm_setr_epi8(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  std::size_t at = 0;
  for (; at + 8 <= values.size(); at += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(values.data() + at),
                                           _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * at), _mm_shuffle_epi8(halves, swap));
  }
  return at;
}
#endif

void put_half_vector(std::string& out, std::span<const float> values) {
  put16(out, static_cast<std::uint16_t>(values.size()));
  put16(out, 0);
  const std::size_t at = out.size();
  out.resize(at + 2 * values.size());
  char* to = out.data() + at;
#if defined(__x86_64__)
  static const bool wide = has_f16c();
  if (wide) {
    const std::size_t done = put_halves_f16c(to, values);
    to += 2 * done;
    values = values.subspan(done);
  }
#endif
  for (const float value : values) {
    const std::uint16_t half = half_bits(value);
    *to++ = static_cast<char>(half >> 8);
    *to++ = static_cast<char>(half);
  }
}

// Results come in the server's text format: \x and hex digits for a bytea, {…} for an array.
int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string halfvec(std::span<const float> values) {
  std::string out;
  out.reserve(4 + 2 * values.size());
  put_half_vector(out, values);
  return out;
}

ArrayBuilder::ArrayBuilder(Oid element) {
  put32(buffer_, 1);  // dimensions
  put32(buffer_, 0);  // has nulls: patched
  put32(buffer_, element);
  put32(buffer_, 0);  // length: patched
  put32(buffer_, 1);  // lower bound
}

void ArrayBuilder::begin_element(std::size_t length) {
  put32(buffer_, static_cast<std::uint32_t>(length));
  ++count_;
}

void ArrayBuilder::add_null() {
  // Length -1 stands for NULL.
  put32(buffer_, 0xffffffffu);
  ++count_;
  has_null_ = true;
}

void ArrayBuilder::add(std::int32_t value) {
  begin_element(4);
  put32(buffer_, static_cast<std::uint32_t>(value));
}

void ArrayBuilder::add(std::int64_t value) {
  begin_element(8);
  put32(buffer_, static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) >> 32));
  put32(buffer_, static_cast<std::uint32_t>(value));
}

void ArrayBuilder::add(const Uuid& value) {
  begin_element(value.bytes.size());
  buffer_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
}

void ArrayBuilder::add(std::string_view text) {
  begin_element(text.size());
  buffer_.append(text);
}

void ArrayBuilder::add(ByteView bytes) {
  begin_element(bytes.size());
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void ArrayBuilder::add_halfvec(std::span<const float> values) {
  begin_element(4 + 2 * values.size());
  put_half_vector(buffer_, values);
}

std::span<const std::byte> ArrayBuilder::bytes() {
  // The builder learns the length and the nulls last, so it writes them over the zeros of the
  // constructor.
  std::string patch;
  put32(patch, has_null_ ? 1 : 0);
  std::memcpy(buffer_.data() + 4, patch.data(), 4);
  patch.clear();
  put32(patch, count_);
  std::memcpy(buffer_.data() + 12, patch.data(), 4);
  if (count_ == 0) {  // an empty array has no dimension
    std::string empty;
    put32(empty, 0);
    put32(empty, 0);
    empty.append(buffer_, 8, 4);
    buffer_ = empty;
  }
  return std::as_bytes(std::span(buffer_));
}

std::string text_array(std::span<const std::string> values) {
  std::string out = "{";
  for (const auto& value : values) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  out += '}';
  return out;
}

std::vector<std::string> parse_text_array(std::string_view text) {
  std::vector<std::string> values;
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return values;
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    std::string value;
    if (text.front() == '"') {
      text.remove_prefix(1);
      // A backslash quotes the next byte.
      while (!text.empty() && text.front() != '"') {
        if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
        value += text.front();
        text.remove_prefix(1);
      }
      if (!text.empty()) text.remove_prefix(1);
    } else {
      const auto end = text.find(',');
      value = text.substr(0, end);
      text.remove_prefix(std::min(text.size(), end));
    }
    values.push_back(std::move(value));
    if (!text.empty() && text.front() == ',') text.remove_prefix(1);
  }
  return values;
}

Bytes parse_bytea(std::string_view text) {
  Bytes out;
  if (text.size() < 2 || text.size() % 2 != 0 || text[0] != '\\' || text[1] != 'x') return out;
  out.reserve(text.size() / 2 - 1);
  for (std::size_t at = 2; at < text.size(); at += 2) {
    const int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
    if (high < 0 || low < 0) return {};
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::vector<float> parse_halfvec(std::string_view text) {
  constexpr std::size_t head = 4;  // dimension i16, unused i16
  const auto sent = parse_bytea(text);
  if (sent.size() < head) return {};
  std::vector<float> values((sent.size() - head) / 2);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        codec::half_value(codec::read_big_endian<std::uint16_t>(sent.data() + head + 2 * i));
  return values;
}

}  // namespace memseal::postgres

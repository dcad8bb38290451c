// Any bytes as UTF-8: the fast check agrees with reading code point by code point, and each code
// point that is read is written as the bytes it was read from.
#include "base/assert.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/codec/utf8_decode.hpp"

#include <cstdint>
#include <string>

using namespace memseal::codec;

namespace {

std::string encoded(std::uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bool well_formed = true, control = false;
  std::size_t points = 0;
  for (std::size_t at = 0; at < size; ++points) {
    const auto [point, bytes] = decode_code_point(text, at);
    MEMSEAL_ASSERT(bytes >= 1 && bytes <= 4 && bytes <= size - at);
    MEMSEAL_ASSERT(point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF));
    well_formed = well_formed && encoded(point) == text.substr(at, bytes);
    control = control || point < 0x20 || point == 0x7F;
    at += bytes;
  }
  MEMSEAL_ASSERT(is_utf8(text) == well_formed);
  MEMSEAL_ASSERT(has_control(text) == control);
  if (well_formed) MEMSEAL_ASSERT(count_code_points(text) == points);
  return 0;
}

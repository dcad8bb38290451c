// Any bytes as UTF-16, and as a file that may begin with a byte order mark: what is read is
// well-formed UTF-8, holds the same code units, and both byte orders agree.
#include "base/assert.hpp"
#include "pure/codec/utf16.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/codec/utf8_decode.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

using namespace memseal::codec;

namespace {

/// `text` as UTF-16, each unit with its high byte first.
std::string units_of(std::string_view text) {
  std::string units;
  const auto add = [&](std::uint32_t unit) {
    units += {static_cast<char>(unit >> 8), static_cast<char>(unit & 0xFF)};
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto [point, bytes] = decode_code_point(text, at);
    if (point >= 0x10000) add(0xD800 + ((point - 0x10000) >> 10));
    add(point >= 0x10000 ? 0xDC00 + (point & 0x3FF) : point);
    at += bytes;
  }
  return units;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto big = utf8_of_utf16(bytes, ByteOrder::big);
  auto swapped = bytes;
  for (std::size_t at = 0; at + 1 < size; at += 2) std::swap(swapped[at], swapped[at + 1]);
  MEMSEAL_ASSERT(utf8_of_utf16(swapped, ByteOrder::little) == big);
  const auto file = utf8_of_file(bytes);
  MEMSEAL_ASSERT(!file || is_utf8(*file));
  MEMSEAL_ASSERT(utf8_of_file("\xFE\xFF" + bytes) == big);
  MEMSEAL_ASSERT(utf8_of_file("\xFF\xFE" + swapped) == big);
  MEMSEAL_ASSERT(!is_utf8(bytes) || utf8_of_file("\xEF\xBB\xBF" + bytes) == bytes);
  if (!big) return 0;
  MEMSEAL_ASSERT(is_utf8(*big) && units_of(*big) == bytes);
  // Ill-formed once its last unit is cut in half.
  if (size > 0) MEMSEAL_ASSERT(!utf8_of_utf16(bytes.substr(0, size - 1), ByteOrder::big));
  return 0;
}

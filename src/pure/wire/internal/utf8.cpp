#include "pure/wire/internal/utf8.hpp"

#include <algorithm>
#include <cstddef>

namespace memseal::wire {

namespace {

bool is_tail(unsigned char byte) { return (byte & 0xc0) == 0x80; }

/// Length of the well-formed sequence at `at`, 0 when there is none.
std::size_t sequence_length(const unsigned char* at, std::size_t left) {
  const unsigned char lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (left < length) return 0;
  // The second byte of some leads is narrower: no overlong forms, no surrogates, at most U+10FFFF.
  unsigned char low = 0x80, high = 0xbf;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (at[1] < low || at[1] > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (!is_tail(at[i])) return 0;
  return length;
}

}  // namespace

bool well_formed_utf8(std::string_view bytes) noexcept {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t i = 0;
  while (i < bytes.size()) {
    const auto length = sequence_length(data + i, bytes.size() - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

bool has_control(std::string_view bytes) noexcept {
  return std::any_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

}  // namespace memseal::wire

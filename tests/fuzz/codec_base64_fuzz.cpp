// Any text as base64 and as hex: what is accepted has exactly one spelling.
#include "base/assert.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/hex.hpp"

#include <algorithm>
#include <cstdint>

using namespace memseal::codec;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const memseal::ByteView bytes(data, size);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {Base64::standard, Base64::url}) {
    if (const auto decoded = decode_base64(text, kind))
      MEMSEAL_ASSERT(encode_base64(*decoded, kind) == text);
    const auto back = decode_base64(encode_base64(bytes, kind), kind);
    MEMSEAL_ASSERT(back && std::equal(back->begin(), back->end(), bytes.begin(), bytes.end()));
  }
  const auto as_text = decode_base64_text(text);
  const auto as_bytes = decode_base64(text, Base64::standard);
  MEMSEAL_ASSERT(as_text.has_value() == as_bytes.has_value());
  if (as_text)
    MEMSEAL_ASSERT(std::equal(as_bytes->begin(), as_bytes->end(), as_text->begin(), as_text->end(),
                              [](auto byte, char c) { return char(byte) == c; }));
  std::string appended = "x";
  append_base64(appended, text);
  MEMSEAL_ASSERT(appended == "x" + encode_base64(bytes, Base64::standard));
  if (const auto hex = decode_hex(text)) MEMSEAL_ASSERT(hex->size() * 2 == size);
  return 0;
}

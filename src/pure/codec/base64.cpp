#include "pure/codec/base64.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace memseal::codec {

namespace {

constexpr std::uint8_t not_a_digit = 0xff;

constexpr std::string_view digits_of(Base64 kind) {
  return kind == Base64::standard
             ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

constexpr std::array<std::uint8_t, 256> values_of(Base64 kind) {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values) value = not_a_digit;
  for (std::size_t i = 0; i < 64; ++i)
    values[static_cast<unsigned char>(digits_of(kind)[i])] = static_cast<std::uint8_t>(i);
  return values;
}

constexpr auto standard_values = values_of(Base64::standard);
constexpr auto url_values = values_of(Base64::url);

void append(std::string& out, ByteView bytes, Base64 kind) {
  const auto digits = digits_of(kind);
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto here = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < here ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k <= here; ++k) out += digits[group >> (18 - 6 * k) & 63];
    if (kind == Base64::standard) out.append(3 - here, '=');
  }
}

/// `Container` holds bytes: Bytes or std::string.
template <class Container>
std::optional<Container> decode(std::string_view text, Base64 kind) {
  if (kind == Base64::standard) {
    // RFC 4648, section 4: the padded form has whole groups of four, with at most two signs of
    // padding. A third `=` stays in the text and is refused as a foreign digit.
    if (text.size() % 4 != 0) return std::nullopt;
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  }
  // A last group of one digit holds 6 bits, which is no byte.
  if (text.size() % 4 == 1) return std::nullopt;
  const auto& values = kind == Base64::standard ? standard_values : url_values;
  Container bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : text) {
    const auto value = values[static_cast<unsigned char>(digit)];
    // A foreign digit ends the loop. The bytes of the digits behind it are then missing, so the
    // comparison of sizes below refuses the text.
    if (value == not_a_digit) break;
    // At most 12 bits are in use. The mask drops bits that are bytes already.
    bits = (bits << 6 | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<typename Container::value_type>(bits >> held & 0xff));
    }
  }
  // Bits that no byte uses must be zero (RFC 4648, section 3.5). Otherwise one value has several
  // texts, and a changed signature could still verify.
  const bool canonical = (bits & ((1u << held) - 1)) == 0;
  if (canonical && bytes.size() == text.size() * 6 / 8) return bytes;
  // The refused text may be a key with one wrong character.
  wipe(bytes.data(), bytes.size());
  return std::nullopt;
}

}  // namespace

std::string encode_base64(ByteView bytes, Base64 kind) {
  std::string text;
  append(text, bytes, kind);
  return text;
}

void append_base64(std::string& out, std::string_view bytes) {
  append(out, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
         Base64::standard);
}

std::optional<Bytes> decode_base64(std::string_view text, Base64 kind) {
  return decode<Bytes>(text, kind);
}

std::optional<std::string> decode_base64_text(std::string_view text) {
  return decode<std::string>(text, Base64::standard);
}

}  // namespace memseal::codec

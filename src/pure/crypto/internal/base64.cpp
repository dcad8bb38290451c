#include "pure/crypto/internal/base64.hpp"

#include <algorithm>
#include <array>

namespace memseal::crypto {

namespace {

constexpr std::string_view digits_of(Base64 kind) {
  return kind == Base64::standard
             ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
             : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

constexpr std::array<std::int8_t, 256> values_of(Base64 kind) {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < 64; ++i)
    values[static_cast<unsigned char>(digits_of(kind)[i])] = static_cast<std::int8_t>(i);
  return values;
}

constexpr auto standard_values = values_of(Base64::standard);
constexpr auto url_values = values_of(Base64::url);

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

std::string base64_encode(ByteView bytes, Base64 kind) {
  const auto digits = digits_of(kind);
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = std::uint32_t{bytes[i]} << 16;
    if (have > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
    if (have > 2) group |= bytes[i + 2];
    for (std::size_t digit = 0; digit < have + 1; ++digit)
      text.push_back(digits[group >> (18 - 6 * digit) & 63]);
  }
  if (kind == Base64::standard)
    while (text.size() % 4 != 0) text.push_back('=');
  return text;
}

std::optional<Bytes> base64_decode(std::string_view text, Base64 kind) {
  if (kind == Base64::standard) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  const auto& values = kind == Base64::standard ? standard_values : url_values;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char digit : text) {
    const int value = values[static_cast<unsigned char>(digit)];
    if (value < 0) break;
    pending = (pending << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    pending_bits += 6;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(pending >> pending_bits));
    }
  }
  const bool canonical = (pending & ((1u << pending_bits) - 1)) == 0;
  if (canonical && bytes.size() == text.size() * 6 / 8) return bytes;
  wipe(bytes.data(), bytes.size());  // it may be a key with a slip of the pen
  return std::nullopt;
}

std::optional<Bytes> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

}  // namespace memseal::crypto

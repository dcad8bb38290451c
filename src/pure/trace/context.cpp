#include "pure/trace/context.hpp"

#include "pure/codec/hex.hpp"

#include <algorithm>
#include <span>

namespace memseal::trace {

namespace {

constexpr std::size_t version_bytes = 2, traceparent_bytes = 55;
constexpr std::size_t trace_id_at = 3, span_id_at = 36, flags_at = 53;
constexpr std::uint8_t sampled_flag = 1;

/// The value of a lower-case digit; -1 for any other character. Upper case is malformed here.
int digit_value(char digit) noexcept {
  return digit >= 'A' && digit <= 'F' ? -1 : codec::hex_value(digit);
}

/// False unless `text` has two digits for each byte.
bool read_hex(std::string_view text, std::span<std::uint8_t> into) noexcept {
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

void write_hex(std::span<const std::uint8_t> bytes, std::string& out) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const auto byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 0xf];
  }
}

bool is_zero(std::span<const std::uint8_t> bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == 0; });
}

}  // namespace

std::optional<SpanContext> parse_traceparent(std::string_view text) {
  if (text.size() < traceparent_bytes) return std::nullopt;
  std::array<std::uint8_t, 1> version{}, flags{};
  SpanContext context;
  const bool sound = read_hex(text.substr(0, version_bytes), version) && text[2] == '-' &&
                     read_hex(text.substr(trace_id_at), context.trace_id) && text[35] == '-' &&
                     read_hex(text.substr(span_id_at), context.span_id) && text[52] == '-' &&
                     read_hex(text.substr(flags_at), flags);
  if (!sound || version[0] == 0xff) return std::nullopt;
  // A later version may add fields behind another dash.
  if (text.size() > traceparent_bytes && (version[0] == 0 || text[traceparent_bytes] != '-'))
    return std::nullopt;
  if (is_zero(context.trace_id) || is_zero(context.span_id)) return std::nullopt;
  context.sampled = (flags[0] & sampled_flag) != 0;
  return context;
}

std::string write_traceparent(const SpanContext& context) {
  std::string text = "00-";
  text.reserve(traceparent_bytes);
  write_hex(context.trace_id, text);
  text += '-';
  write_hex(context.span_id, text);
  text += context.sampled ? "-01" : "-00";
  return text;
}

std::optional<SpanContext> read_context(std::optional<std::string_view> traceparent) {
  return traceparent ? parse_traceparent(*traceparent) : std::nullopt;
}

std::vector<std::pair<std::string, std::string>> headers_of(const SpanContext& context) {
  return {{std::string(parent_header), write_traceparent(context)}};
}

}  // namespace memseal::trace

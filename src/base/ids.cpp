#include "base/ids.hpp"

namespace memseal {

std::string to_hex(const std::uint8_t* data, std::size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    hex.push_back(digits[data[i] >> 4]);
    hex.push_back(digits[data[i] & 15]);
  }
  return hex;
}

// Any bytes are allowed, control characters too, because a user id is never stored or logged. Only
// its keyed hash is.
Result<UserId> UserId::parse(std::string_view text) {
  if (text.empty() || text.size() > 256)
    return Error{Errc::event_without_user, "a user id has 1 to 256 bytes"};
  return UserId(std::string(text));
}

Result<DocId> DocId::parse(std::string_view text) {
  if (text.empty() || text.size() > 255)
    return Error{Errc::invalid_field, "a document id has 1 to 255 bytes", "doc_id"};
  for (const unsigned char byte : text)
    if (byte < 0x20 || byte == 0x7f)
      return Error{Errc::invalid_field, "a document id holds no control characters", "doc_id"};
  return DocId(std::string(text));
}

std::string_view origin_name(Origin origin) noexcept {
  switch (origin) {
    case Origin::chat: return "chat";
    case Origin::upload: return "upload";
    case Origin::api: return "api";
  }
  return "";
}

std::optional<Origin> parse_origin(std::string_view name) noexcept {
  for (const auto origin : origins)
    if (name == origin_name(origin)) return origin;
  return std::nullopt;
}

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_uuid_dash(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

// Takes only the form of RFC 9562, section 4: no braces and no `urn:uuid:`. Hex digits of either
// case are read; to_string() writes lower case.
Result<Uuid> Uuid::parse(std::string_view text) {
  const Error malformed{Errc::invalid_field, "not a UUID (8-4-4-4-12 hex digits)"};
  if (text.size() != 36) return malformed;
  Uuid uuid;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_uuid_dash(i)) {
      if (text[i] != '-') return malformed;
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return malformed;
    auto& byte = uuid.bytes[nibble / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | value);
    ++nibble;
  }
  return uuid;
}

std::string Uuid::to_string() const {
  const auto hex = to_hex(bytes.data(), bytes.size());
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' +
         hex.substr(16, 4) + '-' + hex.substr(20);
}

std::string UserHash::to_hex() const { return memseal::to_hex(bytes.data(), bytes.size()); }

// Four bytes are enough to follow one user through a log. A log never shows the whole hash, because
// the hash names the user's rows.
std::string UserHash::prefix() const { return memseal::to_hex(bytes.data(), 4); }

}  // namespace memseal

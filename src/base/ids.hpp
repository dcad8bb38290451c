#pragma once
// Names of things. Each is its own type, so that a document id cannot be passed for a user id.
#include "base/result.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memseal {

/// Who a token or an event speaks for: 1 to 256 bytes of UTF-8, compared byte by byte.
/// Personal data: never logged, never stored; only its keyed hash is.
class UserId {
 public:
  static Result<UserId> parse(std::string_view text);
  const std::string& value() const noexcept { return value_; }
  friend bool operator==(const UserId&, const UserId&) = default;

 private:
  explicit UserId(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

/// Name of a document or conversation, chosen by its producer: 1 to 255 bytes of UTF-8 without
/// control characters. Unique within one tenant.
class DocId {
 public:
  static Result<DocId> parse(std::string_view text);
  const std::string& value() const noexcept { return value_; }
  friend auto operator<=>(const DocId&, const DocId&) = default;

 private:
  explicit DocId(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

/// How content reached the service: turns of a conversation, a producer's document, or a document
/// that a client sent over HTTP.
enum class Origin { chat, upload, api };

inline constexpr std::array origins{Origin::chat, Origin::upload, Origin::api};

/// Stable name, as clients, events, metrics and the database read it.
std::string_view origin_name(Origin origin) noexcept;
/// The reverse. Empty for every other text.
std::optional<Origin> parse_origin(std::string_view name) noexcept;

/// 128-bit identifier, printed in the 8-4-4-4-12 form of RFC 9562.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  static Result<Uuid> parse(std::string_view text);
  std::string to_string() const;
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

/// HMAC-SHA256 of a user id under the deployment's key; names every row of that user.
struct UserHash {
  std::array<std::uint8_t, 32> bytes{};

  std::string to_hex() const;  ///< 64 lower-case hex digits, as the database keeps it.
  std::string prefix() const;  ///< First 8 hex digits: the most that a log may show.
  friend auto operator<=>(const UserHash&, const UserHash&) = default;
};

/// Lower-case hex of `size` bytes.
std::string to_hex(const std::uint8_t* data, std::size_t size);

}  // namespace memseal

#pragma once
// URLs (RFC 3986), as far as a server's address needs them: scheme, host, port and path.
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace memseal::codec {

/// `host[:port]`, taken apart. Both are views into the text.
struct HostPort {
  std::string_view host;                 ///< as it stands, without brackets; may be empty
  bool bracketed = false;                ///< `[host]`: an IPv6 address
  std::optional<std::string_view> port;  ///< behind the first colon, unchecked; may be empty
};

/// Splits the authority of a URL that has no user name. Returns nothing if a bracket stays open, or
/// if anything but `:port` follows the brackets. Callers check host and port by their own rules.
std::optional<HostPort> split_host_port(std::string_view authority);

/// The number of a TCP port, 1 to 65535, without sign, space or leading text.
std::optional<std::uint16_t> parse_port(std::string_view text);

/// `text` as one segment of a path, or one value of a query: every byte but the unreserved ones of
/// RFC 3986 becomes %hh.
std::string percent_encode(std::string_view text);

/// Replaces each %hh by its byte. Returns nothing if a `%` is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

/// The address of an HTTP endpoint.
struct Url {
  bool tls = false;
  std::string host;  ///< without brackets
  std::string port;  ///< 1 to 65535; the scheme's own where the text has none
  std::string path;  ///< "" or "/…", without a slash at its end

  /// Takes http:// and https:// in lower case, a host, and perhaps a port and a path, all of
  /// visible ASCII. Refuses user names, queries and fragments. Errors: bad_config. The message is a
  /// clause without a subject ("must begin with …").
  static Result<Url> parse(std::string_view text);
  /// "https://host:port", with an IPv6 address in brackets.
  std::string origin() const;
  /// The value of the Host field: without the port if it is the scheme's own.
  std::string authority() const;
};

}  // namespace memseal::codec

#include "pure/codec/url.hpp"

#include "pure/codec/hex.hpp"

#include <algorithm>
#include <charconv>

namespace memseal::codec {

namespace {

Error refused(std::string clause) { return {Errc::bad_config, std::move(clause)}; }

bool all_of(std::string_view text, auto allowed) {
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

// Letters of host names and IPv4 addresses. The underscore is there for the names of containers.
bool is_host(std::string_view text) {
  return all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

// Only the characters. The resolver refuses an address that cannot be.
bool is_ipv6(std::string_view text) {
  return all_of(text, [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; });
}

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

std::optional<HostPort> split_host_port(std::string_view authority) {
  HostPort parts;
  auto rest = authority.substr(authority.size());
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == authority.npos) return std::nullopt;
    parts.bracketed = true;
    parts.host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    parts.host = authority.substr(0, colon);
    rest = authority.substr(colon);
  }
  if (rest.empty()) return parts;
  if (rest.front() != ':') return std::nullopt;
  parts.port = rest.substr(1);
  return parts;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || stopped != end || port == 0) return std::nullopt;
  return port;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += digits[byte >> 4];
    encoded += digits[byte & 15];
  }
  return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    // A `%` needs two digits behind it, so it may not be one of the last two bytes.
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_value(text[i + 2]);
    if (low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

Result<Url> Url::parse(std::string_view text) {
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://"))
    return refused("must begin with https:// or http://");
  text.remove_prefix(text.find("//") + 2);
  // `@` would bring a password into a setting. `@` and the backslash also make parsers disagree
  // about which part is the host: this check and the connection could mean different servers.
  if (!all_of(text, [](char c) { return c > ' ' && c < 0x7f; }) ||
      text.find_first_of("@?#\\\"<>{}|^`") != text.npos)
    return refused("must be scheme, host, port and path, and nothing else");
  const auto slash = std::min(text.find('/'), text.size());
  url.path = text.substr(slash);
  // Callers append "/…" to the path.
  while (url.path.ends_with('/')) url.path.pop_back();
  const auto place = split_host_port(text.substr(0, slash));
  if (!place) return refused("has a malformed host or port");
  if (place->bracketed && !is_ipv6(place->host)) return refused("has an invalid IPv6 address");
  if (!place->bracketed && !is_host(place->host)) return refused("lacks a host");
  url.host = place->host;
  url.port = place->port.value_or(url.tls ? "443" : "80");
  // Length first: parse_port() takes leading zeros, and the text goes into the Host field as it
  // stands.
  if (url.port.size() > 5 || !parse_port(url.port)) return refused("has an invalid port");
  return url;
}

std::string Url::origin() const {
  return (tls ? "https://" : "http://") + bracketed(host) + ":" + port;
}

std::string Url::authority() const {
  return port == (tls ? "443" : "80") ? bracketed(host) : bracketed(host) + ":" + port;
}

}  // namespace memseal::codec

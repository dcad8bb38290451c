#include "adapters/redis/link.hpp"

#include <charconv>
#include <optional>

namespace memseal::redis {

namespace {

Error bad(std::string message) { return {Errc::bad_config, std::move(message), "redis.url"}; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stopped == end && !text.empty();
}

bool read_login(std::string_view login, Address& address) {
  const auto colon = login.find(':');
  if (colon == std::string_view::npos) return false;
  auto user = percent_decoded(login.substr(0, colon));
  auto password = percent_decoded(login.substr(colon + 1));
  if (!user || !password) return false;
  address.user = std::move(*user);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(password->data());
  address.password = SecretBytes(ByteView(bytes, password->size()));
  wipe(password->data(), password->size());
  return true;
}

bool read_host_and_port(std::string_view text, Address& address) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos) return false;
    address.host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
  } else {
    const auto colon = text.find(':');
    address.host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (address.host.empty() || address.host.find_first_of(" /@[]") != std::string::npos)
    return false;
  if (port.empty()) return true;
  return port.front() == ':' && read_number(port.substr(1), address.port) && address.port != 0;
}

}  // namespace

Result<Address> Address::parse(std::string_view url) {
  constexpr std::string_view scheme = "redis://";
  if (url.starts_with("rediss://"))
    return bad(
        "rediss:// needs TLS, which is not built in: put the server on a private network or "
        "behind a TLS tunnel, and name that with redis://");
  if (!url.starts_with(scheme))
    return bad("must begin with redis:// (redis://[:password@]host[:port][/db])");
  url.remove_prefix(scheme.size());
  Address address;
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    if (!read_login(url.substr(0, at), address))
      return bad("the part before @ must be :password or user:password, percent-encoded");
    url.remove_prefix(at + 1);
  }
  const auto slash = url.find('/');
  if (slash != std::string_view::npos && slash + 1 < url.size()) {
    if (!read_number(url.substr(slash + 1), address.db) || address.db < 0)
      return bad("the part after the last / must be the number of a database");
  }
  if (!read_host_and_port(url.substr(0, slash), address))
    return bad("the host or its port is malformed (host[:port], IPv6 in brackets)");
  return address;
}

}  // namespace memseal::redis

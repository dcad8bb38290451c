#include "adapters/redis/link.hpp"
#include "pure/codec/url.hpp"

#include <charconv>
#include <optional>

namespace memseal::redis {

namespace {

Error bad(std::string message) { return {Errc::bad_config, std::move(message), "redis.url"}; }

bool read_number(std::string_view text, int& out) {
  const auto* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stopped == end && !text.empty();
}

bool read_login(std::string_view login, Address& address) {
  const auto colon = login.find(':');
  if (colon == std::string_view::npos) return false;
  auto user = codec::percent_decode(login.substr(0, colon));
  auto password = codec::percent_decode(login.substr(colon + 1));
  if (!user || !password) return false;
  address.user = std::move(*user);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(password->data());
  address.password = SecretBytes(ByteView(bytes, password->size()));
  wipe(password->data(), password->size());
  return true;
}

bool read_host_and_port(std::string_view text, Address& address) {
  const auto place = codec::split_host_port(text);
  if (!place || place->host.empty() || place->host.find_first_of(" /@[]") != text.npos)
    return false;
  address.host = place->host;
  if (!place->port) return true;
  const auto port = codec::parse_port(*place->port);
  if (port) address.port = *port;
  return port.has_value();
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

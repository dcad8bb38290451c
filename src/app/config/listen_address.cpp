#include "app/config/listen_address.hpp"

#include <charconv>

namespace memseal::app {

Result<ListenAddress> ListenAddress::parse(const std::string& text, const std::string& key) {
  const Error malformed{Errc::bad_config, key + " must be address:port, not \"" + text + "\"", key};
  // The last colon, because an IPv6 address has its own.
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return malformed;
  ListenAddress listen;
  const auto* begin = text.data() + colon + 1;
  const auto* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(begin, end, listen.port);
  if (failure != std::errc{} || stop != end) return malformed;
  listen.host = text.substr(0, colon);
  if (listen.host.size() > 2 && listen.host.front() == '[' && listen.host.back() == ']')
    listen.host = listen.host.substr(1, listen.host.size() - 2);
  return listen;
}

std::string ListenAddress::url() const {
  auto reached = host;
  // A wildcard is an address to listen on, not one to connect to.
  if (host == "0.0.0.0") reached = "127.0.0.1";
  if (host == "::") reached = "::1";
  if (reached.find(':') != std::string::npos) reached = "[" + reached + "]";
  return "http://" + reached + ":" + std::to_string(port);
}

}  // namespace memseal::app

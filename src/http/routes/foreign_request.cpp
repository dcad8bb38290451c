#include "http/routes/foreign_request.hpp"

#include <boost/asio/ip/address.hpp>

#include <unistd.h>

#include <string>

namespace memseal::http {

namespace {

/// `host` of `host:port` and of `[host]:port`.
std::string_view name_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

bool is_address(std::string_view name) {
  boost::system::error_code malformed;
  boost::asio::ip::make_address(std::string(name), malformed);
  return !malformed;
}

std::string machine_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

bool is_own_host(std::string_view authority) {
  const auto name = name_of(authority);
  return is_address(name) || name.find('.') == std::string_view::npos ||
         equal_ignoring_case(name, machine_name());
}

/// Whether `origin` is a page of the host that the request names.
bool is_own_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme))
      return !host.empty() && equal_ignoring_case(origin.substr(scheme.size()), host);
  return false;
}

}  // namespace

std::optional<std::string_view> foreign_request(const RequestHead& head) {
  const auto host = head.field("host").value_or("");
  if (!host.empty() && !is_own_host(host))
    return "the Host of such a request is an IP address, localhost or this machine's name";
  if (const auto site = head.list("sec-fetch-site");
      site && *site != "same-origin" && *site != "none")
    return "such a request must not come from a web page of another site";
  if (const auto origin = head.list("origin"); origin && !is_own_origin(*origin, host))
    return "such a request must not come from a web page of another origin";
  return {};
}

}  // namespace memseal::http

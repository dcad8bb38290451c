#include "pure/codec/url.hpp"

#include <algorithm>

namespace memseal::openai {

namespace {

Error refused(const std::string& why) {
  return {Errc::bad_config, "embedding.url " + why, "embedding.url"};
}

bool all_of(std::string_view text, auto allowed) {
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

bool is_port(std::string_view text) {
  if (text.size() > 5 || !all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return false;
  const int number = std::stoi(std::string(text));
  return number >= 1 && number <= 65'535;
}

bool is_host(std::string_view text) {
  return all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '-' || c == '_';
  });
}

bool is_address(std::string_view text) {
  return all_of(text, [](char c) {
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') ||
           c == ':' || c == '.';
  });
}

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Url url;
  for (const bool tls : {true, false})
    if (const std::string_view scheme = tls ? "https://" : "http://"; text.starts_with(scheme)) {
      url.tls = tls;
      url.port = tls ? "443" : "80";
      text.remove_prefix(scheme.size());
    }
  if (url.port.empty()) return refused("must begin with https:// or http://");
  if (!all_of(text, [](char c) { return c > ' ' && c < 0x7f; }) ||
      text.find_first_of("@?#\\\"<>{}|^`") != text.npos)
    return refused("must be scheme, host, port and path alone; a key goes into embedding.api_key");
  const auto slash = std::min(text.find('/'), text.size());
  auto authority = text.substr(0, slash);
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == authority.npos || !is_address(authority.substr(1, end - 1)))
      return refused("has an IPv6 address that is none");
    url.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    if (!is_host(authority.substr(0, colon))) return refused("lacks a host");
    url.host = authority.substr(0, colon);
    authority.remove_prefix(colon);
  }
  if (authority.empty()) return url;
  if (authority[0] != ':' || !is_port(authority.substr(1)))
    return refused("has a port that is none");
  url.port = authority.substr(1);
  return url;
}

std::string Url::origin() const {
  return (tls ? "https://" : "http://") + bracketed(host) + ":" + port;
}

std::string Url::authority() const {
  return port == (tls ? "443" : "80") ? bracketed(host) : bracketed(host) + ":" + port;
}

}  // namespace memseal::openai

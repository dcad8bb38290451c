#pragma once
// One conversation with HAProxy's runtime API.
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace memseal::haproxy {

/// Where HAProxy listens for commands (`stats socket`).
struct RuntimeAddress {
  std::string path;        ///< of a Unix socket; empty: host and port
  std::string host, port;

  /// Takes "/run/haproxy.sock", "unix:/run/haproxy.sock", "127.0.0.1:9999". Error: bad_config.
  static Result<RuntimeAddress> parse(std::string_view text);
  std::string text() const { return path.empty() ? host + ":" + port : path; }
};

/// Sends one line of commands and returns everything that HAProxy answers. Waits two seconds.
/// Throws Outage{unavailable}; the message names the address.
std::string ask_runtime(const RuntimeAddress& address, std::string_view commands);

}  // namespace memseal::haproxy

#pragma once
#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace memseal::app {

/// Where a listener binds: the value of http.listen and http.admin_listen.
struct ListenAddress {
  std::string host;        ///< an IPv6 address without brackets
  std::uint16_t port = 0;  ///< 0: any free port

  /// Takes "127.0.0.1:7400", "[::1]:7400" and "::1:7400". Errors: bad_config, about setting `key`.
  static Result<ListenAddress> parse(const std::string& text, const std::string& key);

  /// The URL by which a client on this machine reaches the listener. A listener on all addresses
  /// (0.0.0.0 or ::) is reached by the loopback address.
  std::string url() const;
};

}  // namespace memseal::app

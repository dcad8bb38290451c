#pragma once
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace memseal::openai {

/// An endpoint's base address, taken apart.
struct Url {
  bool tls = false;
  std::string host;      ///< without brackets
  std::string port;
  std::string path;      ///< "" or "/…", without a slash at its end

  /// Takes http:// and https:// with a host, perhaps a port and a path of visible ASCII. Refuses
  /// user names, queries and fragments. Errors: bad_config, for the setting "embedding.url".
  static Result<Url> parse(std::string_view text);
  /// "https://host:port", IPv6 in brackets.
  std::string origin() const;
  /// What the Host field says: no port where it is the scheme's own.
  std::string authority() const;
};

}  // namespace memseal::openai

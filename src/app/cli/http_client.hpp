#pragma once
// A small blocking HTTP/1.1 client for the command line: one request, one answer, streamed.
#include "base/result.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::http {

/// `http://host:port/path`, taken apart. TLS is left to a proxy in front: https is refused.
struct Url {
  std::string host, port, target;
  static Result<Url> parse(std::string_view text);
};

struct ClientRequest {
  std::string method = "GET";
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::chrono::milliseconds idle_timeout{30'000};   ///< longest silence of the server
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;   ///< names in lower case
  std::string body;                                           ///< empty when `on_body` took it

  std::string_view header(std::string_view lower_case_name) const;
};

/// Sends `request` and reads the whole answer. For status 200, `on_body`, when given, gets the
/// bytes as they arrive and returns false to stop reading. Blocks the calling thread.
/// Errors: bad_request (URL), unavailable (nothing listens, connection lost), timeout.
Result<ClientResponse> fetch(const ClientRequest& request,
                             const std::function<bool(std::string_view)>& on_body = {});

}  // namespace memseal::http

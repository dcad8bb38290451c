#pragma once
// GET requests to a model hub, through redirects and a proxy.
#include "adapters/http_client/client.hpp"
#include "base/result.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace memseal::app {

/// Thread: one at a time.
class HubClient {
 public:
  /// `endpoint`: base URL. `token`: sent to the endpoint's own host alone.
  /// Errors: bad_config; the message names HF_ENDPOINT.
  static Result<HubClient> open(const std::string& endpoint, std::string token);

  struct Answer {
    http_client::Response response;  ///< of the last host
    std::string linked_etag;         ///< of the first response that had one: a large file's SHA-256
    std::uint64_t linked_size = 0;   ///< of the same response, in bytes; 0: not said
    std::string etag;  ///< of the endpoint's own first response that had one; "" else
  };
  /// `path`: below the endpoint. `began` and `sink` as in http_client::Request and
  /// Client::stream(). Errors: unavailable, timeout, payload_too_large, bad_config, model_invalid
  /// (too many redirects, or one that leaves https).
  Result<Answer> get(const std::string& path, const http_client::Headers& headers,
                     std::function<bool(const http_client::Response&)> began = {},
                     const http_client::BodySink& sink = {});

  /// Returns after `time`.
  void pause(std::chrono::milliseconds time);

 private:
  HubClient(http_client::Url endpoint, std::string token);
  Result<http_client::Client*> client_of(const std::string& origin);

  http_client::Url endpoint_;
  std::string token_;
  // The clients' connections belong to the loop, so the loop ends last.
  std::unique_ptr<boost::asio::io_context> loop_;
  std::map<std::string, std::unique_ptr<http_client::Client>> clients_;  // by origin
};

/// The proxy of the environment for `url`; empty: none. HTTPS_PROXY (https) or http_proxy (http),
/// else ALL_PROXY, each also in lower case. NO_PROXY lists hosts and ends of host names, or `*`.
/// None for a loopback host, ever.
std::string proxy_of(const http_client::Url& url);

/// A variable of the environment; empty if it is not set.
std::string hub_environment(std::string_view name);

}  // namespace memseal::app

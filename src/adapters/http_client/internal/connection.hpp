#pragma once
#include "adapters/http_client/client.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <optional>

namespace memseal::http_client {

/// One connection to a service.
/// Thread: one coroutine at a time uses it, on its executor.
/// Throws what Client::send() throws. NOTE: after that the connection is of no more use.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Resolves the name, connects and, for https, verifies the service.
  virtual asio::awaitable<void> open(runtime::Deadline deadline) = 0;
  /// One request and its response; `sink`, which may be null, gets a body of status 200 or 206.
  virtual asio::awaitable<Response> exchange(const Request& request, runtime::Deadline deadline,
                                             const BodySink* sink) = 0;

  /// True once a byte of the last exchange's response has arrived.
  bool response_began() const noexcept { return response_began_; }
  /// True if the last exchange ended so that another one may follow.
  bool reusable() const noexcept { return reusable_; }

 protected:
  bool response_began_ = false;
  bool reusable_ = false;
};

/// Where a connection goes, and what it trusts.
struct Destination {
  Url url;
  std::string ca_setting;
  asio::ssl::context tls;
  std::optional<Url> proxy = {};  ///< stands between, and sees a tunnel
};

/// `to` outlives the connection.
std::unique_ptr<Connection> make_connection(const asio::any_io_executor& executor, Destination& to);

}  // namespace memseal::http_client

#pragma once
// Requests to other HTTP/1.1 services, plain or over TLS, from coroutines.
#include "base/result.hpp"
#include "pure/codec/url.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::http_client {

namespace asio = boost::asio;
using codec::Url;
using Headers = std::vector<std::pair<std::string, std::string>>;

/// The body of a request that is too large to hold: read while it is sent, and read again where the
/// request is sent once more.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual std::uint64_t size() const noexcept = 0;
  /// Fills `into` with what lies at `offset`. REQUIRES: offset + into.size() <= size().
  /// Throws Failure, with which the request then ends.
  virtual void read(std::uint64_t offset, std::span<char> into) const = 0;
};

struct Response {
  int status = 0;
  Headers headers;   ///< names in lower case
  std::string body;  ///< empty if a BodySink took the body

  /// The first field of this name, which is given in lower case; empty if there is none.
  std::string_view header(std::string_view name) const;
};

/// One request to the service that a Client was made for.
struct Request {
  using Duration = runtime::Clock::duration;

  std::string method = "GET";
  std::string path;  ///< below the URL's own path, e.g. "/embeddings"; may hold a query
  Headers headers;   ///< besides Host, User-Agent and Content-Length
  std::string body;
  const BodySource* source = nullptr;  ///< the body instead, which outlives the request
  std::size_t body_bytes_max = 1u << 20;  ///< of the response, and of a streamed one as a whole
  Duration connect_timeout = std::chrono::seconds(10);  ///< name, TCP and TLS together
  Duration idle_timeout = Duration::max();              ///< longest silence of the service
  /// Hears the head of a response whose body goes to a BodySink, before the body. False ends the
  /// request; the body is not read.
  std::function<bool(const Response&)> began = {};
};

/// Takes the next piece of a body. Returns false to end the request; the rest is not read.
using BodySink = std::function<bool(std::string_view)>;

struct ClientOptions {
  std::string ca_file;  ///< PEM, trusted beside the system's store; empty: that store alone
  std::string ca_setting = "ca_file";  ///< what the user calls `ca_file`, for messages
  /// "http://host:port" of a proxy, through which every connection is a tunnel (CONNECT); empty:
  /// none. The proxy sees the service's name and not a byte of https.
  std::string proxy = {};
};

/// One service at one URL.
///
/// https: TLS 1.2 or later. The certificate and the host's name or address are verified, always,
/// before a byte of a request is sent. Redirects are not followed. Interim responses are skipped.
/// Connections stay open for later requests, two for each executor that calls.
///
/// Thread: any coroutine on a single-threaded executor may call.
/// Lifetime: a Client outlives its requests, and is destroyed (or close_idle() called) before the
/// contexts that called it.
class Client {
 public:
  /// Reads the CA file. Blocks. Errors: bad_config, with `ca_setting` or "proxy" as the field.
  static Result<std::unique_ptr<Client>> make(Url url, ClientOptions options);
  ~Client();

  /// Sends `request` and reads the whole response, of any status.
  /// REQUIRES: `request` (and `sink` below) live until the awaited call returns.
  /// NOTE: a service that refuses a BodySource in the middle is heard, and gets no more of it.
  /// NOTE: a request that a kept connection loses before the response begins is sent once more.
  /// Throws Outage: timeout (deadline, connect_timeout or idle_timeout), unavailable (unreachable,
  /// the connection ended early, or the response is not HTTP).
  /// Throws Refused: bad_config (the certificate is not trusted), payload_too_large (the response
  /// has more than body_bytes_max), bad_request (a control character in the request's own head).
  /// Throws system_error{operation_aborted} if the caller was cancelled.
  /// No message quotes the request or the response.
  asio::awaitable<Response> send(const Request& request, runtime::Deadline deadline);

  /// The same, but a body of status 200 or 206 goes to `sink`, piece by piece as it arrives.
  asio::awaitable<Response> stream(const Request& request, runtime::Deadline deadline,
                                   const BodySink& sink);

  const Url& url() const noexcept;
  /// Closes the connections that no request uses.
  void close_idle();

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// True for "localhost" and for the loopback addresses themselves. A name that only looks like such
/// an address ("127.0.0.1.example.com") is none.
bool is_loopback(const std::string& host);

}  // namespace memseal::http_client

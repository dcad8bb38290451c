#pragma once
#include "pure/codec/url.hpp"

#include "runtime/context.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace memseal::openai {

namespace asio = boost::asio;
using codec::Url;

struct Request {
  std::string target;
  std::string authority;
  std::string bearer;        ///< empty: none
  std::string body;          ///< JSON
  std::size_t answer_bytes_max = 0;
};

struct Answer {
  int status = 0;
  std::string body;
  std::optional<std::chrono::milliseconds> retry_after;
  bool goes_on = false;      ///< the connection may be used again
  bool too_long = false;     ///< more than answer_bytes_max; `body` is empty
};

/// One connection to an endpoint. Used by one coroutine at a time, on its executor. Everything
/// throws Outage{unavailable | timeout}, Refused{bad_config} for a certificate without trust, or
/// operation_aborted when the caller was cancelled; after that it is of no more use.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual asio::awaitable<void> open(runtime::Deadline deadline) = 0;
  virtual asio::awaitable<Answer> exchange(const Request& request, runtime::Deadline deadline) = 0;
};

/// `tls` and `url` outlive it.
std::unique_ptr<Connection> make_connection(const asio::any_io_executor& executor, const Url& url,
                                            asio::ssl::context& tls);

using WallClock = std::chrono::system_clock;

/// What a `Retry-After` field says (RFC 9110, section 10.2.3): a number of seconds, or how long
/// after `now` its date is, none when that is past; at most an hour.
std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view text, WallClock::time_point now = WallClock::now());

}  // namespace memseal::openai

#pragma once
#include "adapters/http_client/internal/connection.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>

namespace memseal::http_client {

/// A TCP connection, plain or under TLS. The parser and the writer of HTTP see bytes only, because
/// Beast's own operations take the compiler a minute when they are made for each kind of stream.
/// Thread: one coroutine at a time uses the stream, on its executor.
class ByteStream {
 public:
  using error_code = boost::system::error_code;

  virtual ~ByteStream() = default;

  /// The connection below TLS; its timer bounds the operations of this class.
  virtual boost::beast::tcp_stream& tcp() noexcept = 0;
  /// Does nothing without TLS. Refused: the certificate is not trusted, or cannot be for this host.
  virtual asio::awaitable<void> shake_hands(const Destination& to, error_code& failure) = 0;
  /// At least one byte into `into`, or a failure; asio::error::eof at the end.
  virtual asio::awaitable<std::size_t> read_some(asio::mutable_buffer into,
                                                 error_code& failure) = 0;
  /// All of `bytes`, or a failure.
  virtual asio::awaitable<void> write(asio::const_buffer bytes, error_code& failure) = 0;
};

/// `to` outlives the stream.
std::unique_ptr<ByteStream> make_stream(const asio::any_io_executor& executor, Destination& to);

}  // namespace memseal::http_client

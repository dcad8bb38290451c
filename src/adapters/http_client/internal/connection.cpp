#include "adapters/http_client/internal/connection.hpp"

#include "adapters/http_client/internal/byte_stream.hpp"
#include "pure/codec/ascii.hpp"

#include <boost/asio/cancel_at.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/read_size.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <vector>

namespace memseal::http_client {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Parser = http::response_parser<http::string_body>;

constexpr int interim_responses_max = 8;
constexpr std::uint32_t header_bytes_max = 32'768;
constexpr std::size_t read_bytes_max = 65'536;
/// Of a BodySource, that one write sends.
constexpr std::size_t piece_bytes_max = std::size_t{256} << 10;

bool is_end(error_code failure) {
  // stream_truncated: the peer closed TCP without TLS's close_notify, as many servers do.
  return failure == asio::error::eof || failure == http::error::end_of_stream ||
         failure == http::error::partial_message || failure == asio::ssl::error::stream_truncated;
}

/// What `failure` of `step` means to a caller that was not cancelled.
Error meaning_of(error_code failure, const char* step, const Url& url) {
  const auto origin = url.origin();
  // Beast's timer ends an operation by one of the two, asio::cancel_at by the other.
  if (failure == beast::error::timeout || failure == asio::error::operation_aborted)
    return {Errc::timeout, origin + " did not answer in time"};
  if (failure == http::error::body_limit)
    return {Errc::payload_too_large, origin + " sent a longer response than is accepted"};
  if (is_end(failure))
    return {Errc::unavailable, origin + " closed the connection while " + step};
  if (failure.category() == http::make_error_code(http::error::end_of_stream).category())
    return {Errc::unavailable,
            origin + " does not answer in HTTP (" + failure.message() + "); check the address"};
  return {Errc::unavailable, origin + ": " + step + ": " + failure.message()};
}

/// Throws what `failure` means. The caller's own cancellation stays what it is.
asio::awaitable<void> check(error_code failure, const char* step, const Url& url) {
  if (!failure) co_return;
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  throw_failure(meaning_of(failure, step, url));
}

http::request<http::string_body> to_beast(const Request& request, const Url& url) {
  http::request<http::string_body> message;
  message.method_string(request.method);
  message.target(url.path + request.path);
  message.version(11);
  message.set(http::field::host, url.authority());
  message.set(http::field::user_agent, "memseal/" MEMSEAL_VERSION);
  for (const auto& [name, value] : request.headers) message.set(name, value);
  if (request.source != nullptr) {
    message.content_length(request.source->size());
    return message;
  }
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

Response head_of(const Parser& parser) {
  Response response;
  response.status = parser.get().result_int();
  for (const auto& field : parser.get()) {
    response.headers.emplace_back(codec::ascii_lower(field.name_string()), field.value());
  }
  return response;
}

/// The request's bytes as they go out.
std::string to_bytes(const Request& request, const Url& url) {
  const auto message = to_beast(request, url);
  http::request_serializer<http::string_body> serializer(message);
  std::string bytes;
  error_code failure;
  while (!failure && !serializer.is_done())
    serializer.next(failure, [&](error_code&, const auto& buffers) {
      for (const auto part : beast::buffers_range_ref(buffers))
        bytes.append(static_cast<const char*>(part.data()), part.size());
      serializer.consume(beast::buffer_bytes(buffers));
    });
  return bytes;
}

class Http1Connection final : public Connection {
 public:
  Http1Connection(const asio::any_io_executor& executor, Destination& to)
      : to_(to), stream_(make_stream(executor, to)) {}

  asio::awaitable<void> open(runtime::Deadline deadline) override {
    error_code failure;
    auto& socket = stream_->tcp();
    const auto& next = to_.proxy ? *to_.proxy : to_.url;
    tcp::resolver resolver(socket.get_executor());
    const auto places = co_await resolver.async_resolve(
        next.host, next.port, tcp::resolver::numeric_service,
        asio::cancel_at(deadline.at(), asio::redirect_error(asio::use_awaitable, failure)));
    co_await check(failure, "resolving its name", next);
    socket.expires_at(deadline.at());
    co_await socket.async_connect(places, asio::redirect_error(asio::use_awaitable, failure));
    co_await check(failure, "connecting", next);
    if (to_.proxy) co_await tunnel();
    error_code ignored;
    // Without Nagle's algorithm the end of a request need not wait for an acknowledgement.
    socket.socket().set_option(tcp::no_delay(true), ignored);
    co_await stream_->shake_hands(to_, failure);
    // Failures other than a certificate's, for example an alert from a proxy that restarts, are
    // transient.
    co_await check(failure, "TLS", to_.url);
  }

  asio::awaitable<Response> exchange(const Request& request, runtime::Deadline deadline,
                                     const BodySink* sink) override {
    // Only a response that was read to its end sets `reusable_`, so a failure below leaves it
    // false.
    response_began_ = reusable_ = sent_whole_ = false;
    co_await write(request, deadline);
    std::optional<Parser> parser;
    co_await read_head(parser, request, deadline);
    auto response = head_of(*parser);
    auto& body = parser->get().body();
    const bool streamed = sink != nullptr && (response.status == 200 || response.status == 206);
    if (streamed && request.began && !request.began(response)) co_return response;
    while (!parser->is_done()) {
      error_code failure;
      expire(request, deadline);
      co_await read_some(*parser, failure);
      // What arrived before the connection broke is the caller's as well.
      if (streamed && !body.empty()) {
        const auto piece = std::exchange(body, std::string());
        // The rest of the body stays unread, so this connection is not used again.
        if (!(*sink)(piece)) co_return response;
      }
      co_await check(failure, "sending its response", to_.url);
    }
    // Bytes after the response were sent unasked. The next request would take them for its own
    // response.
    reusable_ = sent_whole_ && parser->keep_alive() && buffer_.size() == 0;
    response.body = std::move(body);
    co_return response;
  }

 private:
  /// Has the proxy make a way to the service (RFC 9110 §9.3.6).
  asio::awaitable<void> tunnel() {
    error_code failure;
    auto& socket = stream_->tcp();
    const auto origin = to_.url.origin();
    const auto target = origin.substr(origin.find("//") + 2);
    const auto asked = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(asked),
                               asio::redirect_error(asio::use_awaitable, failure));
    co_await check(failure, "asking this proxy for a way", *to_.proxy);
    // What follows the head is the service's, which says nothing before it is asked.
    http::response_parser<http::empty_body> parser;
    parser.skip(true);
    beast::flat_buffer head(header_bytes_max);
    co_await http::async_read_header(socket, head, parser,
                                     asio::redirect_error(asio::use_awaitable, failure));
    co_await check(failure, "asking this proxy for a way", *to_.proxy);
    if (parser.get().result_int() / 100 != 2)
      throw_failure({Errc::unavailable, "the proxy " + to_.proxy->origin() + " makes no way to " +
                                            target + ": it answers " +
                                            std::to_string(parser.get().result_int())});
  }

  asio::awaitable<void> write(const Request& request, runtime::Deadline deadline) {
    error_code failure;
    const auto bytes = to_bytes(request, to_.url);
    expire(request, deadline);
    co_await stream_->write(asio::buffer(bytes), failure);
    co_await check(failure, "sending the request", to_.url);
    sent_whole_ = true;
    if (request.source != nullptr) sent_whole_ = co_await write_source(request, deadline);
  }

  /// Sends the body piece by piece. False: the service wants no more of it, and its answer may be
  /// there.
  asio::awaitable<bool> write_source(const Request& request, runtime::Deadline deadline) {
    const auto& source = *request.source;
    std::vector<char> piece;
    for (std::uint64_t at = 0; at < source.size(); at += piece.size()) {
      if (answers_early()) co_return false;
      piece.resize(static_cast<std::size_t>(
          std::min<std::uint64_t>(piece_bytes_max, source.size() - at)));
      source.read(at, piece);
      error_code failure;
      expire(request, deadline);
      co_await stream_->write(asio::buffer(piece), failure);
      if (failure == asio::error::broken_pipe || failure == asio::error::connection_reset)
        co_return false;
      co_await check(failure, "sending the request", to_.url);
    }
    co_return true;
  }

  /// Whether the service says something before the body ends. TLS has messages of its own, so there
  /// a service can only close the connection.
  bool answers_early() {
    error_code unknown;
    return !to_.url.tls && stream_->tcp().socket().available(unknown) > 0 && !unknown;
  }

  /// Reads up to the body of the final response.
  asio::awaitable<void> read_head(std::optional<Parser>& parser, const Request& request,
                                  runtime::Deadline deadline) {
    // A service may send any number of interim responses (RFC 9110 §15.2). They are bounded here,
    // because a hostile one would never stop. A parser reads one message.
    for (int interim = 0;; ++interim) {
      error_code failure;
      parser.emplace();
      parser->header_limit(header_bytes_max);
      parser->body_limit(request.body_bytes_max);
      expire(request, deadline);
      while (!failure && !parser->is_header_done()) co_await read_some(*parser, failure);
      response_began_ = response_began_ || parser->got_some();
      const int status = failure ? 0 : parser->get().result_int();
      // 101 changes the protocol, which no request asked for.
      if (!failure && (status == 101 || interim == interim_responses_max))
        failure = http::error::bad_status;
      co_await check(failure, "beginning its response", to_.url);
      if (status >= 200) co_return;
    }
  }

  /// Reads until the parser has made progress: the head, a piece of the body, or the end.
  asio::awaitable<void> read_some(Parser& parser, error_code& failure) {
    for (;;) {
      if (buffer_.size() > 0) {
        buffer_.consume(parser.put(buffer_.data(), failure));
        if (failure != http::error::need_more) co_return;
        failure = {};
      }
      const auto room = beast::read_size(buffer_, read_bytes_max);
      if (room == 0) {
        failure = http::error::buffer_overflow;
        co_return;
      }
      const auto got = co_await stream_->read_some(buffer_.prepare(room), failure);
      buffer_.commit(got);
      if (failure == asio::error::eof) {
        failure = {};
        // The end of the connection ends a body without a length (RFC 9112 §6.3).
        if (parser.got_some()) parser.put_eof(failure);
        else failure = http::error::end_of_stream;
        co_return;
      }
      if (failure) co_return;
    }
  }

  /// Gives the next operation until the deadline, or until the service was silent for too long.
  void expire(const Request& request, runtime::Deadline deadline) {
    stream_->tcp().expires_at(deadline.within(request.idle_timeout).at());
  }

  Destination& to_;
  std::unique_ptr<ByteStream> stream_;
  bool sent_whole_ = false;  // the request, so that another one may follow
  // Bounded, because Beast keeps an endless chunk-size line here.
  beast::flat_buffer buffer_{header_bytes_max + read_bytes_max};
};

}  // namespace

std::unique_ptr<Connection> make_connection(const asio::any_io_executor& executor,
                                            Destination& to) {
  return std::make_unique<Http1Connection>(executor, to);
}

}  // namespace memseal::http_client

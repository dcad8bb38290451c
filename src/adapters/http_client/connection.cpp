#include "adapters/http_client/connection.hpp"

#include <boost/asio/cancel_at.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/system/system_error.hpp>
#include <openssl/err.h>
#include <openssl/sslerr.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace memseal::openai {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using SecureStream = asio::ssl::stream<beast::tcp_stream>;

/// Throws what `failure` means: the caller's own cancellation stays what it is.
asio::awaitable<void> check(error_code failure, const Url& url, const char* step) {
  if (!failure) co_return;
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  if (failure == beast::error::timeout || failure == asio::error::operation_aborted)
    throw Outage({Errc::timeout, url.origin() + " did not answer in time"});
  // Other TLS errors, an alert from a proxy for example, pass by themselves.
  const bool certificate =
      failure.category() == asio::error::get_ssl_category() &&
      ERR_GET_REASON(static_cast<unsigned long>(failure.value())) ==
          SSL_R_CERTIFICATE_VERIFY_FAILED;
  throw_failure({certificate ? Errc::bad_config : Errc::unavailable,
                 url.origin() + ": " + step + ": " + failure.message() +
                     (certificate ? "; name its authority by embedding.ca_file" : "")});
}

http::request<http::string_body> to_beast(const Request& request) {
  http::request<http::string_body> message(http::verb::post, request.target, 11);
  message.set(http::field::host, request.authority);
  message.set(http::field::user_agent, "memseal/" MEMSEAL_VERSION);
  message.set(http::field::content_type, "application/json");
  message.set(http::field::accept, "application/json");
  if (!request.bearer.empty())
    message.set(http::field::authorization, "Bearer " + request.bearer);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

template <class Stream>
class Link final : public Connection {
 public:
  template <class... Args>
  explicit Link(const Url& url, Args&&... args) : url_(url), stream_(std::forward<Args>(args)...) {}

  asio::awaitable<void> open(runtime::Deadline deadline) override {
    error_code failure;
    auto& socket = beast::get_lowest_layer(stream_);
    tcp::resolver resolver(socket.get_executor());
    const auto places = co_await resolver.async_resolve(
        url_.host, url_.port,
        asio::cancel_at(deadline.at(), asio::redirect_error(asio::use_awaitable, failure)));
    co_await check(failure, url_, "its name");
    socket.expires_at(deadline.at());
    co_await socket.async_connect(places, asio::redirect_error(asio::use_awaitable, failure));
    co_await check(failure, url_, "connecting");
    error_code ignored;
    socket.socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (std::is_same_v<Stream, SecureStream>) co_await shake_hands();
  }

  asio::awaitable<Answer> exchange(const Request& request, runtime::Deadline deadline) override {
    error_code failure;
    const auto message = to_beast(request);
    beast::get_lowest_layer(stream_).expires_at(deadline.at());
    co_await http::async_write(stream_, message,
                               asio::redirect_error(asio::use_awaitable, failure));
    co_await check(failure, url_, "sending");
    http::response_parser<http::string_body> parser;
    parser.body_limit(request.answer_bytes_max);
    co_await http::async_read(stream_, buffer_, parser,
                              asio::redirect_error(asio::use_awaitable, failure));
    Answer answer;
    answer.too_long = failure == http::error::body_limit;
    if (!answer.too_long) co_await check(failure, url_, "reading");
    answer.status = parser.get().result_int();
    answer.retry_after = parse_retry_after(parser.get()[http::field::retry_after]);
    if (answer.too_long) co_return answer;
    answer.goes_on = parser.keep_alive() && buffer_.size() == 0;
    answer.body = std::move(parser.get().body());
    co_return answer;
  }

 private:
  asio::awaitable<void> shake_hands() {
    error_code failure, no_address;
    // A server of many names is told which; an address is no name.
    asio::ip::make_address(url_.host, no_address);
    if (no_address && SSL_set_tlsext_host_name(stream_.native_handle(), url_.host.c_str()) != 1)
      throw Outage({Errc::unavailable, url_.origin() + ": its name does not fit into TLS"});
    stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host));
    co_await stream_.async_handshake(asio::ssl::stream_base::client,
                                     asio::redirect_error(asio::use_awaitable, failure));
    co_await check(failure, url_, "TLS");
  }

  const Url& url_;
  Stream stream_;
  beast::flat_buffer buffer_;
};

// RFC 9110, section 5.6.7: the form in use and the two obsolete ones, all of them in GMT.
/// Seconds since 1970: the years of a date reach further than those of a clock in nanoseconds.
std::optional<std::int64_t> parse_http_date(std::string_view text) {
  const std::string date(text);
  for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%y %H:%M:%S GMT",
                           "%a %b %d %H:%M:%S %Y"}) {
    std::tm parts{};
    const char* const end = ::strptime(date.c_str(), form, &parts);
    if (end == date.c_str() + date.size()) return ::timegm(&parts);
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Connection> make_connection(const asio::any_io_executor& executor, const Url& url,
                                            asio::ssl::context& tls) {
  if (!url.tls) return std::make_unique<Link<beast::tcp_stream>>(url, executor);
  return std::make_unique<Link<SecureStream>>(url, executor, tls);
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text,
                                                           WallClock::time_point now) {
  std::int64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc{} || end != text.data() + text.size()) {
    const auto date = parse_http_date(text);
    if (!date) return std::nullopt;
    // Up to the full second after, so as not to come too early.
    const auto since = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    seconds = std::max<std::int64_t>(*date - since, 0);
  }
  if (seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min<std::int64_t>(seconds, 3'600));
}

}  // namespace memseal::openai

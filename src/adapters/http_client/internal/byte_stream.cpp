#include "adapters/http_client/internal/byte_stream.hpp"

#include "adapters/http_client/internal/tls.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <type_traits>
#include <utility>

namespace memseal::http_client {

namespace {

namespace beast = boost::beast;
using boost::system::error_code;
using SecureStream = asio::ssl::stream<beast::tcp_stream>;

template <class Stream>
class StreamOver final : public ByteStream {
 public:
  template <class... Args>
  explicit StreamOver(Args&&... args) : stream_(std::forward<Args>(args)...) {}

  beast::tcp_stream& tcp() noexcept override { return beast::get_lowest_layer(stream_); }

  asio::awaitable<void> shake_hands(const Destination& to, error_code& failure) override {
    if constexpr (std::is_same_v<Stream, SecureStream>) {
      const auto origin = to.url.origin();
      if (!expect_host(stream_.native_handle(), to.url.host))
        throw Refused({Errc::bad_config, origin + ": no certificate can be for this host"});
      co_await stream_.async_handshake(asio::ssl::stream_base::client,
                                       asio::redirect_error(asio::use_awaitable, failure));
      if (is_certificate_failure(failure))
        throw Refused({Errc::bad_config,
                       origin + ": the certificate is not trusted: " +
                           why_untrusted(stream_.native_handle()) +
                           "; name the file of its authority by " + to.ca_setting,
                       to.ca_setting});
    }
    co_return;
  }

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer into, error_code& failure) override {
    co_return co_await stream_.async_read_some(into,
                                               asio::redirect_error(asio::use_awaitable, failure));
  }

  asio::awaitable<void> write(asio::const_buffer bytes, error_code& failure) override {
    co_await asio::async_write(stream_, bytes, asio::redirect_error(asio::use_awaitable, failure));
  }

 private:
  Stream stream_;
};

}  // namespace

std::unique_ptr<ByteStream> make_stream(const asio::any_io_executor& executor, Destination& to) {
  if (!to.url.tls) return std::make_unique<StreamOver<beast::tcp_stream>>(executor);
  return std::make_unique<StreamOver<SecureStream>>(executor, to.tls);
}

}  // namespace memseal::http_client

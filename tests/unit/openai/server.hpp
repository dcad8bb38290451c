#pragma once
// An embeddings endpoint of the test's own, plain or TLS, that answers what a test wants.
#include "support/tls_identity.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace memseal::openai::testing {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace json = boost::json;
using tcp = asio::ip::tcp;

using test::Identity;

struct Seen {
  std::string target, body, authorization, host;
  std::size_t connection = 0;  ///< 1, 2… in the order of acceptance
};

struct Reply {
  unsigned status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool drop = false;        ///< end the connection without an answer
  bool hang = false;        ///< never answer
  bool then_close = false;  ///< answer as if the connection stayed, then end it
};

using Handler = std::function<Reply(const Seen&)>;

/// An answer with `vectors` in their order.
inline std::string answer_of(const std::vector<std::vector<double>>& vectors) {
  json::array data;
  for (std::size_t i = 0; i < vectors.size(); ++i)
    data.push_back(json::object{{"object", "embedding"},
                                {"index", i},
                                {"embedding", json::array(vectors[i].begin(), vectors[i].end())}});
  return json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}});
}

inline std::vector<std::string> texts_of(const Seen& seen) {
  std::vector<std::string> texts;
  const auto body = json::parse(seen.body);
  for (const auto& text : body.at("input").as_array())
    texts.emplace_back(text.as_string().c_str());
  return texts;
}

/// The usual endpoint: a vector of three numbers that tells the text's length.
inline Reply embed_lengths(const Seen& seen) {
  std::vector<std::vector<double>> vectors;
  for (const auto& text : texts_of(seen)) {
    std::vector<double> vector{static_cast<double>(text.size()), 1.0, 0.0};
    vectors.push_back(std::move(vector));
  }
  return {.body = answer_of(vectors)};
}

class Server {
 public:
  explicit Server(Handler handler, const Identity* identity = nullptr)
      : handler_(std::move(handler)),
        acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    if (identity != nullptr) {
      tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
      tls_->use_certificate_chain(asio::buffer(identity->certificate));
      tls_->use_private_key(asio::buffer(identity->key), asio::ssl::context::pem);
    }
    asio::co_spawn(io_, accept(), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Server() {
    io_.stop();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url(const std::string& host = "127.0.0.1") const {
    return (tls_ ? "https://" : "http://") + host + ":" +
           std::to_string(acceptor_.local_endpoint().port()) + "/v1";
  }
  void answer_by(Handler handler) {
    const std::lock_guard lock(guard_);
    handler_ = std::move(handler);
  }
  std::vector<Seen> seen() const {
    const std::lock_guard lock(guard_);
    return seen_;
  }
  void forget() {
    const std::lock_guard lock(guard_);
    seen_.clear();
  }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      auto socket = co_await acceptor_.async_accept(asio::use_awaitable);
      ++connections_;
      if (tls_)
        asio::co_spawn(io_, greet(beast::tcp_stream(std::move(socket)), connections_),
                       asio::detached);
      else
        asio::co_spawn(io_, serve(beast::tcp_stream(std::move(socket)), connections_),
                       asio::detached);
    }
  }
  asio::awaitable<void> greet(beast::tcp_stream below, std::size_t number) {
    asio::ssl::stream<beast::tcp_stream> stream(std::move(below), *tls_);
    boost::system::error_code failure;
    co_await stream.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(asio::use_awaitable, failure));
    if (!failure) co_await serve(std::move(stream), number);
  }
  template <class Stream>
  asio::awaitable<void> serve(Stream stream, std::size_t number) {
    beast::flat_buffer buffer;
    boost::system::error_code failure;
    for (;;) {
      http::request<http::string_body> request;
      co_await http::async_read(stream, buffer, request,
                                asio::redirect_error(asio::use_awaitable, failure));
      if (failure) co_return;
      const auto reply = reply_to(request, number);
      if (reply.drop) co_return;
      if (reply.hang) {
        asio::steady_timer never(io_, asio::steady_timer::time_point::max());
        co_await never.async_wait(asio::use_awaitable);
      }
      http::response<http::string_body> response(static_cast<http::status>(reply.status), 11);
      for (const auto& [name, value] : reply.headers) response.set(name, value);
      response.body() = reply.body;
      response.keep_alive(true);
      response.prepare_payload();
      co_await http::async_write(stream, response,
                                 asio::redirect_error(asio::use_awaitable, failure));
      if (failure || reply.then_close) co_return;
    }
  }
  Reply reply_to(const http::request<http::string_body>& request, std::size_t number) {
    const std::lock_guard lock(guard_);
    seen_.push_back({request.target(), request.body(), request[http::field::authorization],
                     request[http::field::host], number});
    return handler_(seen_.back());
  }

  mutable std::mutex guard_;
  Handler handler_;
  std::vector<Seen> seen_;
  asio::io_context io_{1};
  std::unique_ptr<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  std::size_t connections_ = 0;
  std::thread thread_;
};

}  // namespace memseal::openai::testing

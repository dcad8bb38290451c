#pragma once
// A server, plain or TLS, that says exactly the bytes a test wants said, when it wants them said.
#include "support/tls_identity.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <utility>

namespace memseal::test {

namespace asio = boost::asio;

/// The server's end of one connection. Every call blocks.
class Peer {
 public:
  using Socket = asio::ip::tcp::socket;
  using Secure = asio::ssl::stream<Socket&>;

  Peer(Socket& socket, Secure* secure, std::size_t number)
      : number_(number), socket_(socket), secure_(secure) {}

  /// Head and body of the next request; "" at the connection's end.
  std::string read_request() {
    for (;;) {
      const auto head = received_.find("\r\n\r\n");
      if (head != std::string::npos) {
        const auto field = received_.find("Content-Length: ");
        const auto body = field < head ? std::strtoul(&received_[field + 16], nullptr, 10) : 0;
        if (received_.size() >= head + 4 + body) {
          const auto request = received_.substr(0, head + 4 + body);
          received_.erase(0, request.size());
          return request;
        }
      }
      char bytes[4096];
      boost::system::error_code failure;
      const auto buffer = asio::buffer(bytes);
      const auto count =
          secure_ ? secure_->read_some(buffer, failure) : socket_.read_some(buffer, failure);
      if (failure) return "";
      received_.append(bytes, count);
    }
  }

  /// False once the client has left.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      boost::system::error_code failure;
      const auto buffer = asio::buffer(bytes);
      const auto count =
          secure_ ? secure_->write_some(buffer, failure) : socket_.write_some(buffer, failure);
      if (failure) return false;
      bytes.remove_prefix(count);
    }
    return true;
  }

  /// Returns when the client has left.
  void wait_for_end() {
    while (!read_request().empty()) {
    }
  }

  /// Says at the TLS layer that no more will come, and waits until the client has left. Without it
  /// a client cannot know an end from a cut.
  void end_tls() {
    boost::system::error_code ignored;
    if (secure_) secure_->shutdown(ignored);
  }

  /// 1, 2… in the order of acceptance.
  std::size_t number() const { return number_; }
  /// The name that a TLS client asked for; "" if it asked for none.
  std::string asked_name() const {
    const auto* name =
        secure_ ? SSL_get_servername(secure_->native_handle(), TLSEXT_NAMETYPE_host_name) : nullptr;
    return name ? name : "";
  }

 private:
  std::size_t number_;
  Socket& socket_;
  Secure* secure_;
  std::string received_;
};

/// Runs `script` for each connection, on a thread of its own; the connection ends with it.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedServer(Script script, const Identity* identity = nullptr)
      : script_(std::move(script)), acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}) {
    if (identity) {
      tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
      tls_->use_certificate_chain(asio::buffer(identity->certificate));
      tls_->use_private_key(asio::buffer(identity->key), asio::ssl::context::pem);
    }
    acceptor_thread_ = std::thread([this] { accept(); });
  }
  ~ScriptedServer() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    acceptor_thread_.join();
    for (auto& one : connections_) ::shutdown(one.socket.native_handle(), SHUT_RDWR);
    for (auto& one : connections_) one.thread.join();
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }
  std::string url(const std::string& host = "127.0.0.1") const {
    return (tls_ ? "https://" : "http://") + host + ":" + port();
  }

 private:
  struct Connection {
    explicit Connection(Peer::Socket accepted) : socket(std::move(accepted)) {}
    Peer::Socket socket;
    std::thread thread;
  };

  void accept() {
    for (std::size_t number = 1;; ++number) {
      boost::system::error_code failure;
      auto socket = acceptor_.accept(failure);
      if (failure) return;
      auto& one = connections_.emplace_back(std::move(socket));
      one.thread = std::thread([this, &one, number] { serve(one.socket, number); });
    }
  }

  void serve(Peer::Socket& socket, std::size_t number) {
    boost::system::error_code failure;
    if (tls_) {
      Peer::Secure secure(socket, *tls_);
      secure.handshake(asio::ssl::stream_base::server, failure);
      if (!failure) {
        Peer peer(socket, &secure, number);
        script_(peer);
      }
    } else {
      Peer peer(socket, nullptr, number);
      script_(peer);
    }
    ::shutdown(socket.native_handle(), SHUT_RDWR);  // Not close(): the destructor names it too.
  }

  Script script_;
  asio::io_context io_{1};
  std::unique_ptr<asio::ssl::context> tls_;
  asio::ip::tcp::acceptor acceptor_;
  std::list<Connection> connections_;
  std::thread acceptor_thread_;
};

/// A whole response with `body`; `head` is further fields, each with its line end.
inline std::string response_of(const std::string& status, const std::string& body,
                               const std::string& head = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         head + "\r\n" + body;
}

/// A script that answers every request of every connection with the same bytes.
inline ScriptedServer::Script answering(std::string bytes) {
  return [bytes = std::move(bytes)](Peer& peer) {
    while (!peer.read_request().empty())
      if (!peer.send(bytes)) return;
  };
}

}  // namespace memseal::test

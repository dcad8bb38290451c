#pragma once
// One connection to a Redis server that reconnects by itself.
#include "adapters/redis/settings.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::redis {

namespace asio = boost::asio;

/// Where a server is, and the login.
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string user;      ///< empty: the default user
  SecretBytes password;  ///< empty: none
  int db = 0;

  /// `redis://[[user]:password@]host[:port][/db]`; user and password percent-encoded, IPv6 hosts in
  /// brackets. Errors: bad_config. The message quotes nothing of the URL, because the URL holds
  /// the password. `rediss://` is refused, because TLS is not built in.
  static Result<Address> parse(std::string_view url);
};

/// A copy of the server's reply.
struct Reply {
  enum class Kind { nothing, integer, text, list, error };

  Kind kind = Kind::nothing;
  std::int64_t integer = 0;
  std::string text;          ///< of text and error
  std::vector<Reply> items;  ///< of a list
};

struct LinkOptions {
  std::chrono::milliseconds reply_timeout = timeout_default;  ///< of one command
  std::chrono::milliseconds connect_timeout{500};  ///< until the server has answered a PING
  std::chrono::milliseconds silence_max{1'000};    ///< reconnect after so long without a reply
  std::chrono::milliseconds retry_first{20};       ///< first wait between attempts
  std::chrono::milliseconds retry_max{1'000};      ///< longest wait; it doubles, with jitter
  std::size_t commands_max = 1'024;                ///< sent and not yet answered
  /// Called on the executor when the link connects (true) or disconnects (false). May be empty.
  std::function<void(bool)> on_change = {};
};

class LinkCore;

/// Connects at once, and again whenever the connection is lost, until close().
/// An idle link costs no timer and no wake-up.
/// NOTE: a link keeps its io_context's run() from returning until close().
/// Thread: that of the executor (single-threaded or a strand), unless a method says any.
class RedisLink {
 public:
  RedisLink(asio::any_io_executor executor, Address address, LinkOptions options = {});
  /// Closes. REQUIRES: runs on the executor, or after the executor has ended.
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  /// Sends one command and awaits its reply. An error reply is a Reply, not an Error.
  /// Errors: unavailable (not connected, or the connection was lost), timeout, overloaded
  /// (commands_max), cancelled (the caller was).
  /// NOTE: after a timeout or a lost connection the command may have taken effect all the same.
  /// Never waits for a connection. After a cancelled wait the reply is read and dropped.
  asio::awaitable<Result<Reply>> command(std::vector<std::string> words);
  asio::awaitable<Result<Reply>> command(std::vector<std::string> words,
                                         std::chrono::milliseconds timeout);

  /// Waits until the link is connected, at most `time`. Returns whether it is connected.
  asio::awaitable<bool> ready_within(std::chrono::milliseconds time);

  /// Whether the present connection has passed its handshake. Thread: any.
  bool connected() const noexcept;

  /// Ends the connection and all attempts. Open commands end as cancelled. Thread: any. Idempotent.
  void close();

 private:
  std::shared_ptr<LinkCore> core_;
};

}  // namespace memseal::redis

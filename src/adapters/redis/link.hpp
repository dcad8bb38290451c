#pragma once
// One connection to a Redis server, kept up by itself.
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

/// Where a server is and how to enter it.
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string user;      ///< empty: the default user
  SecretBytes password;  ///< empty: none
  int db = 0;

  /// `redis://[[user]:password@]host[:port][/db]`; user and password percent-encoded, IPv6 hosts in
  /// brackets. Errors: bad_config, without a word of the URL (it holds the password). `rediss://`
  /// is refused: TLS is not built in.
  static Result<Address> parse(std::string_view url);
};

/// A copy of what the server said.
struct Reply {
  enum class Kind { nothing, integer, text, list, error };

  Kind kind = Kind::nothing;
  std::int64_t integer = 0;
  std::string text;          ///< of text and error
  std::vector<Reply> items;  ///< of a list
};

struct LinkOptions {
  std::chrono::milliseconds reply_timeout{50};     ///< of one command
  std::chrono::milliseconds connect_timeout{500};  ///< until the server has answered a PING
  std::chrono::milliseconds silence_max{1'000};    ///< commands open, no reply: connect anew
  std::chrono::milliseconds retry_first{20};       ///< between attempts, doubled with jitter …
  std::chrono::milliseconds retry_max{1'000};      ///< … up to here
  std::size_t commands_max = 1'024;                ///< sent and not yet answered
  /// Called on the executor when the link comes up (true) or goes away (false). May be empty.
  std::function<void(bool)> on_change = {};
};

class LinkCore;

/// Connects at once and again whenever the connection is lost, until close(). An idle link costs
/// no timer and no wake-up, but keeps its io_context busy: close() it before run() shall return.
/// Use on one executor, single-threaded or a strand, except where it says any thread.
class RedisLink {
 public:
  RedisLink(asio::any_io_executor executor, Address address, LinkOptions options = {});
  /// Closes. On the executor, or after it has ended.
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  /// Sends one command and awaits its reply; an error reply is a Reply, not an Error.
  /// Errors: unavailable (not connected, or lost meanwhile: the command may have taken effect),
  /// timeout (likewise), overloaded (commands_max), cancelled (the caller was). Leaving early
  /// drops the reply when it comes; the connection stays in step. Never waits for a connection.
  asio::awaitable<Result<Reply>> command(std::vector<std::string> words);
  asio::awaitable<Result<Reply>> command(std::vector<std::string> words,
                                         std::chrono::milliseconds timeout);

  /// Waits until the link is up, at most `time`; whether it is.
  asio::awaitable<bool> ready_within(std::chrono::milliseconds time);

  /// Whether the server has let us in on the present connection. Any thread.
  bool connected() const noexcept;

  /// Ends the connection and all attempts; open commands end as cancelled. Any thread; idempotent.
  void close();

 private:
  std::shared_ptr<LinkCore> core_;
};

}  // namespace memseal::redis

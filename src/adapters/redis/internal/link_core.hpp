#pragma once
// The engine of a RedisLink: attempts to connect, the handshake, and who waits for which reply.
#include "adapters/redis/internal/connection.hpp"

#include "pure/policy/backoff.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <random>
#include <unordered_map>

namespace memseal::redis {

class LinkCore : public std::enable_shared_from_this<LinkCore> {
 public:
  using Done = std::function<void(Result<Reply>)>;
  using Clock = std::chrono::steady_clock;

  LinkCore(asio::any_io_executor executor, Address address, LinkOptions options);

  void start();
  void stop();

  /// Calls `done` exactly once, on the executor. Returns the number that fail() takes; 0 when
  /// `done` was called already.
  std::uintptr_t send(const std::vector<std::string>& words, std::chrono::milliseconds timeout,
                      Done done);
  /// Ends the wait for a reply with `error`. Does nothing when the wait has ended.
  void fail(std::uintptr_t id, Error error);

  bool connected() const noexcept { return connected_.load(std::memory_order_relaxed); }
  bool stopped() const noexcept { return stopped_; }
  const asio::any_io_executor& executor() const noexcept { return executor_; }
  const LinkOptions& options() const noexcept { return options_; }
  /// A timer that is cancelled whenever the link connects or stops.
  asio::steady_timer& changed() noexcept { return changed_; }

 private:
  struct Waiter {
    Done done;
    std::unique_ptr<asio::steady_timer> timer;
  };

  void attempt();
  void connect_to(const std::string& ip);
  void shake_hands();
  void handshake_step(std::vector<std::string> words, bool last);
  void on_ready();
  void on_reply(std::uintptr_t id, const redisReply* reply);
  void on_end(std::uint64_t attempt, const std::string& cause);
  void retry(const std::string& cause);
  void set_connected(bool connected);
  std::uintptr_t wait_for(Done done, std::chrono::milliseconds timeout);
  bool transmit(const std::vector<std::string>& words, std::uintptr_t id);
  void on_timeout(std::uintptr_t id);

  asio::any_io_executor executor_;
  Address address_;
  LinkOptions options_;
  policy::Backoff backoff_;
  std::minstd_rand random_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer retry_timer_, connect_timer_, changed_;

  std::shared_ptr<Connection> connection_;
  std::uint64_t attempt_ = 0;  // numbers connections, so that events of an old one are ignored
  std::unordered_map<std::uintptr_t, Waiter> waiters_;
  std::uintptr_t last_id_ = 0;
  std::size_t unanswered_ = 0;  // commands sent on this connection, also those no longer awaited
  Clock::time_point last_reply_at_{};  // or the first command since, where none was open
  std::atomic<bool> connected_{false};
  bool stopped_ = false, logged_disconnect_ = false;
};

}  // namespace memseal::redis

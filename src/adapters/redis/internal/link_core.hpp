#pragma once
// What keeps a RedisLink up: attempts, the handshake, who waits for which reply.
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

  /// Calls `done` once, posted or from within the loop. Returns the number to give up() with,
  /// 0 when `done` was called already.
  std::uintptr_t send(const std::vector<std::string>& words, std::chrono::milliseconds timeout,
                      Done done);
  /// Ends the wait for a reply.
  void give_up(std::uintptr_t id, Error why);

  bool connected() const noexcept { return connected_.load(std::memory_order_relaxed); }
  bool stopped() const noexcept { return stopped_; }
  const asio::any_io_executor& executor() const noexcept { return executor_; }
  const LinkOptions& options() const noexcept { return options_; }
  /// Cancelled whenever the link comes up or stops.
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
  void come_up();
  void replied(std::uintptr_t id, const redisReply* reply);
  void ended(std::uint64_t attempt, const std::string& reason);
  void retry(const std::string& reason);
  void set_connected(bool connected);
  std::uintptr_t wait_for(Done done, std::chrono::milliseconds timeout);
  bool push(const std::vector<std::string>& words, std::uintptr_t id);
  void on_timeout(std::uintptr_t id);

  asio::any_io_executor executor_;
  Address address_;
  LinkOptions options_;
  policy::Backoff backoff_;
  std::minstd_rand random_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer retry_timer_, connect_timer_, changed_;

  std::shared_ptr<Connection> connection_;
  std::uint64_t attempt_ = 0;  // numbers connections: an old one's end is no news
  std::unordered_map<std::uintptr_t, Waiter> waiters_;
  std::uintptr_t last_id_ = 0;
  std::size_t unanswered_ = 0;    // sent on this connection, also when nobody waits
  Clock::time_point heard_at_{};  // the last reply, or the first command since
  std::atomic<bool> connected_{false};
  bool stopped_ = false, reported_away_ = false;
};

}  // namespace memseal::redis

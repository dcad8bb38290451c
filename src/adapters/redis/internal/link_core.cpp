#include "adapters/redis/internal/link_core.hpp"

#include "runtime/log.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace memseal::redis {

namespace {

using boost::system::error_code;
using runtime::LogLevel;

std::string text_of(const SecretBytes& secret) {
  const auto bytes = secret.view();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Error unavailable(std::string message = "Redis is unavailable") {
  return {Errc::unavailable, std::move(message)};
}

}  // namespace

LinkCore::LinkCore(asio::any_io_executor executor, Address address, LinkOptions options)
    : executor_(std::move(executor)),
      address_(std::move(address)),
      options_(std::move(options)),
      backoff_(options_.retry_first, options_.retry_max),
      random_(std::random_device{}()),
      resolver_(executor_),
      retry_timer_(executor_),
      connect_timer_(executor_),
      changed_(executor_, asio::steady_timer::time_point::max()) {}

void LinkCore::start() {
  asio::post(executor_, [self = shared_from_this()] { self->attempt(); });
}

void LinkCore::stop() {
  if (std::exchange(stopped_, true)) return;
  retry_timer_.cancel();
  connect_timer_.cancel();
  resolver_.cancel();
  set_connected(false);
  // Before the drop, whose null replies would end the same waiters as unavailable.
  while (!waiters_.empty()) fail(waiters_.begin()->first, {Errc::cancelled, "the link was closed"});
  if (auto open = std::move(connection_)) open->drop("closed");
  changed_.cancel();
}

void LinkCore::attempt() {
  if (stopped_) return;
  error_code not_numeric;
  const auto address = asio::ip::make_address(address_.host, not_numeric);
  if (!not_numeric) return connect_to(address.to_string());
  // Resolve here, because hiredis would block the loop while it resolves a name.
  resolver_.async_resolve(address_.host, std::to_string(address_.port),
                          [self = shared_from_this()](error_code ec, auto results) {
                            if (self->stopped_) return;
                            if (ec || results.empty())
                              return self->retry("cannot resolve the host name");
                            self->connect_to(results.begin()->endpoint().address().to_string());
                          });
}

void LinkCore::connect_to(const std::string& ip) {
  const auto number = ++attempt_;  // From here on events of the previous connection are ignored.
  unanswered_ = 0;
  std::string cause;
  // The connection owns these functions, they own this core, and the core owns the connection.
  // on_end() and stop() break the circle.
  Connection::Events events{
      [self = shared_from_this(), number](std::uintptr_t id, const redisReply* reply) {
        if (self->attempt_ == number) self->on_reply(id, reply);
      },
      [self = shared_from_this(), number](const std::string& why) { self->on_end(number, why); }};
  connection_ = Connection::open(executor_, ip, address_.port, std::move(events), cause);
  if (!connection_) return retry(cause);
  // The time covers the handshake, because a server that accepts and then hangs is not connected.
  connect_timer_.expires_after(options_.connect_timeout);
  connect_timer_.async_wait([self = shared_from_this(), number](error_code ec) {
    if (ec || self->stopped_ || self->attempt_ != number || self->connected()) return;
    if (self->connection_) self->connection_->drop("no answer while connecting");
  });
  shake_hands();
}

void LinkCore::shake_hands() {
  if (!address_.password.empty()) {
    std::vector<std::string> words{"AUTH"};
    if (!address_.user.empty()) words.push_back(address_.user);
    words.push_back(text_of(address_.password));
    handshake_step(std::move(words), false);
  }
  if (address_.db != 0) handshake_step({"SELECT", std::to_string(address_.db)}, false);
  // Redis answers in order, so the link is ready once PING is answered.
  handshake_step({"PING"}, true);
}

void LinkCore::handshake_step(std::vector<std::string> words, bool last) {
  const auto number = attempt_;
  const auto id = wait_for(
      [self = shared_from_this(), number, last](Result<Reply> reply) {
        if (self->attempt_ != number || self->stopped_ || !reply) return;
        if (reply->kind == Reply::Kind::error) {
          // The server's text, such as WRONGPASS or LOADING. It repeats nothing that we sent.
          if (self->connection_) self->connection_->drop(reply->text.substr(0, 80).c_str());
        } else if (last) {
          self->on_ready();
        }
      },
      // Longer than connect_timer_, which drops the connection first and so gives the cause.
      options_.connect_timeout * 2);
  // Not send(), which refuses until the handshake is done. hiredis has copied the words when
  // transmit() returns, so wipe ours: one may be the password.
  if (!transmit(words, id)) fail(id, unavailable());
  for (auto& word : words) wipe(word.data(), word.size());
}

void LinkCore::on_ready() {
  connect_timer_.cancel();
  backoff_.reset();
  if (std::exchange(logged_disconnect_, false)) runtime::log(LogLevel::info, "redis.connected");
  set_connected(true);
  changed_.cancel();
}

void LinkCore::set_connected(bool connected) {
  if (connected_.exchange(connected, std::memory_order_relaxed) == connected) return;
  if (options_.on_change) options_.on_change(connected);
}

void LinkCore::on_end(std::uint64_t attempt, const std::string& cause) {
  if (attempt != attempt_ || stopped_) return;
  connection_.reset();
  connect_timer_.cancel();
  retry(cause);
}

void LinkCore::retry(const std::string& cause) {
  if (stopped_) return;
  // One line for each outage, not for each attempt.
  if (!std::exchange(logged_disconnect_, true))
    runtime::log(LogLevel::warn, "redis.disconnected", {{"cause", cause}});
  set_connected(false);
  while (!waiters_.empty()) fail(waiters_.begin()->first, unavailable());
  const auto unit = std::uniform_real_distribution<double>(0, 1)(random_);
  // Never below retry_first, because jitter may draw zero, and attempts must not follow at once.
  retry_timer_.expires_after(std::max(backoff_.next(unit), options_.retry_first));
  retry_timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->attempt();
  });
}

std::uintptr_t LinkCore::wait_for(Done done, std::chrono::milliseconds timeout) {
  const auto id = ++last_id_;
  auto timer = std::make_unique<asio::steady_timer>(executor_, timeout);
  // Weak, because this core owns the timer.
  timer->async_wait([weak = weak_from_this(), id](error_code ec) {
    if (ec) return;
    if (const auto self = weak.lock()) self->on_timeout(id);
  });
  waiters_.emplace(id, Waiter{std::move(done), std::move(timer)});
  return id;
}

bool LinkCore::transmit(const std::vector<std::string>& words, std::uintptr_t id) {
  if (!connection_ || !connection_->send(words, id)) return false;
  // A server without open commands has nothing to answer, so its silence begins with the first one.
  if (unanswered_++ == 0) last_reply_at_ = Clock::now();
  return true;
}

std::uintptr_t LinkCore::send(const std::vector<std::string>& words,
                              std::chrono::milliseconds timeout, Done done) {
  if (stopped_) return done(Error{Errc::cancelled, "the link was closed"}), 0;
  if (!connected()) return done(unavailable()), 0;
  // Commands that timed out count until their replies come, because the server still has to run
  // them.
  if (unanswered_ >= options_.commands_max)
    return done(Error{Errc::overloaded, "too many commands wait for Redis"}), 0;
  const auto id = wait_for(std::move(done), timeout);
  if (transmit(words, id)) return id;
  fail(id, unavailable());
  return 0;
}

void LinkCore::fail(std::uintptr_t id, Error error) {
  // Take the waiter out first, because done() may call back into this link.
  if (auto node = waiters_.extract(id)) node.mapped().done(std::move(error));
}

void LinkCore::on_timeout(std::uintptr_t id) {
  fail(id, {Errc::timeout, "Redis did not answer in time"});
  // The server vanished without closing, or hangs. Its replies would come too late anyway.
  if (unanswered_ > 0 && connection_ && Clock::now() - last_reply_at_ >= options_.silence_max)
    connection_->drop("no reply to open commands");
}

void LinkCore::on_reply(std::uintptr_t id, const redisReply* reply) {
  if (unanswered_ > 0) --unanswered_;
  last_reply_at_ = Clock::now();
  auto node = waiters_.extract(id);
  if (!node) return;  // the waiter has timed out or was cancelled
  node.mapped().done(reply == nullptr
                         ? Result<Reply>(unavailable("the connection to Redis was lost"))
                         : Result<Reply>(copy_of(*reply)));
}

}  // namespace memseal::redis

#pragma once
// One hiredis context driven by Asio, from its connect() to its end.
#include "adapters/redis/link.hpp"

#include <hiredis/async.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>

namespace memseal::redis {

/// hiredis may free its context inside any redisAsyncHandle*() call, and frees it on its own when
/// the peer goes away. So everything that outlives such a call sits in this shared object, whose
/// `context_` is null from then on, and replies find who waits for them by number.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Events {
    /// A reply came; null: the connection ended before it. Called inside hiredis.
    std::function<void(std::uintptr_t id, const redisReply* reply)> replied;
    /// The connection is gone, and why. Once; posted.
    std::function<void(std::string reason)> ended;
  };

  /// Begins to connect to a numeric address. Null, and the reason, when that fails at once.
  static std::shared_ptr<Connection> open(const asio::any_io_executor& executor,
                                          const std::string& ip, std::uint16_t port, Events events,
                                          std::string& reason);
  ~Connection();

  /// False when the connection is ending.
  bool send(const std::vector<std::string>& words, std::uintptr_t id);

  /// Ends it: `replied` with null for what is open, then `ended`.
  void drop(const char* reason);

 private:
  Connection(const asio::any_io_executor& executor, redisAsyncContext* context, Events events);

  void hook();
  void arm_read();
  void arm_write();
  void let_go();
  void report_end();
  static Connection& from(void* data) { return **static_cast<std::shared_ptr<Connection>*>(data); }

  asio::any_io_executor executor_;
  redisAsyncContext* context_;             // null once hiredis frees it
  asio::posix::stream_descriptor socket_;  // the descriptor is hiredis's own
  Events events_;
  std::string reason_;
  bool want_read_ = false, want_write_ = false, read_armed_ = false, write_armed_ = false;
};

/// What hiredis shows only during its callback.
Reply copy_of(const redisReply& reply);

}  // namespace memseal::redis

#pragma once
// One hiredis context driven by Asio, from its connect() to its end.
#include "adapters/redis/link.hpp"

#include <hiredis/async.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>

namespace memseal::redis {

/// hiredis may free its context inside any redisAsyncHandle*() call, and does so by itself when the
/// peer closes. Everything that must outlive such a call therefore lies in this shared object:
/// `context_` is null from then on, and a reply finds its waiter by number.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Events {
    /// A reply came; null: the connection ended first. Called inside hiredis.
    std::function<void(std::uintptr_t id, const redisReply* reply)> replied;
    /// The connection has ended, for this cause. Called once, posted.
    std::function<void(std::string cause)> ended;
  };

  /// Begins to connect to a numeric address. Null, and `cause` is set, when that fails at once.
  static std::shared_ptr<Connection> open(const asio::any_io_executor& executor,
                                          const std::string& ip, std::uint16_t port, Events events,
                                          std::string& cause);
  ~Connection();

  /// False when the connection is ending.
  bool send(const std::vector<std::string>& words, std::uintptr_t id);

  /// Ends the connection: calls `replied` with null for each open command, then `ended`.
  void drop(const char* cause);

 private:
  Connection(const asio::any_io_executor& executor, redisAsyncContext* context, Events events);

  void install_hooks();
  void arm_read();
  void arm_write();
  void on_context_freed();
  void report_end();
  static Connection& from(void* data) { return **static_cast<std::shared_ptr<Connection>*>(data); }

  asio::any_io_executor executor_;
  redisAsyncContext* context_;             // null once hiredis frees it
  asio::posix::stream_descriptor socket_;  // hiredis owns and closes the descriptor
  Events events_;
  std::string cause_;
  bool want_read_ = false, want_write_ = false, read_armed_ = false, write_armed_ = false;
};

/// A copy of a reply that hiredis frees after its callback.
Reply copy_of(const redisReply& reply);

}  // namespace memseal::redis

#pragma once
#include "adapters/postgres/metrics.hpp"
#include "base/fd.hpp"
#include "base/ids.hpp"

#include <boost/asio/thread_pool.hpp>

#include <functional>
#include <string>

namespace memseal::postgres {

namespace asio = boost::asio;

/// Hears which tenants are erased, by whatever process, within a second of the erasure's commit.
/// The channel (LISTEN) has a connection and a thread of its own. A lost connection is opened again
/// with a back-off of 5 s at most.
/// NOTE: behind a pooler in transaction mode nothing is heard; the log and the metric say so.
///
/// Thread: the handlers run on the listener's thread, and must be able to.
/// Lifetime: the destructor waits for a handler that runs, and for an attempt to connect.
class ErasureListener {
 public:
  struct Handlers {
    std::function<void(const UserHash&)> erased;
    /// Called whenever the channel has become open, because erasures before may have been missed.
    std::function<void()> missed;
  };

  ErasureListener(std::string dsn, PostgresMetrics& metrics, Handlers handlers);
  ~ErasureListener();
  ErasureListener(const ErasureListener&) = delete;
  ErasureListener& operator=(const ErasureListener&) = delete;

 private:
  void run();
  void listen_once();
  /// Returns once `stop_` can be read, the socket `socket` can, or `wait_ms` have passed. A
  /// negative socket is none; a negative time has no end.
  bool stopped_within(int socket, int wait_ms) const;

  const std::string dsn_;
  PostgresMetrics& metrics_;
  const Handlers handlers_;
  const Fd stop_;  // an eventfd
  asio::thread_pool thread_{1};
};

}  // namespace memseal::postgres

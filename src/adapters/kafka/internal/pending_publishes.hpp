#pragma once
#include "adapters/kafka/internal/handles.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace memseal::kafka {

namespace asio = boost::asio;

/// One publish() that waits. `report` and `timer` belong to the executor of that coroutine.
struct PendingPublish {
  explicit PendingPublish(const asio::any_io_executor& where) : executor(where), timer(where) {}

  asio::any_io_executor executor;
  asio::steady_timer timer;
  std::optional<rd_kafka_resp_err_t> report;
};

/// The publish() calls that wait for their delivery report. Thread: any.
/// Each has a ticket, a number that travels through librdkafka. A pointer would dangle after a
/// caller that timed out or was cancelled.
class PendingPublishes {
 public:
  using Ticket = std::uintptr_t;

  explicit PendingPublishes(std::size_t max) : max_(max) {}

  /// Throws Outage{shutting_down} after close(), Outage{overloaded} when `max` calls wait.
  Ticket add(const std::shared_ptr<PendingPublish>& waiting);
  void remove(Ticket ticket);
  /// Resumes the call on its own executor; does nothing when it stopped waiting.
  void settle(Ticket ticket, rd_kafka_resp_err_t report);
  void settle_all(rd_kafka_resp_err_t report);
  /// Refuses every further call.
  void close();

 private:
  const std::size_t max_;
  std::mutex mutex_;  // Held for a look-up only, never across a suspension.
  std::unordered_map<Ticket, std::shared_ptr<PendingPublish>> waiting_;
  Ticket last_ = 0;
  bool closed_ = false;
};

}  // namespace memseal::kafka

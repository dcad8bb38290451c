#pragma once
// Lets librdkafka's threads wake a coroutine. A queue writes to an eventfd when it changes from
// empty to non-empty, so the reader must drain the queue before it waits again.
#include "adapters/kafka/internal/handles.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <chrono>

namespace memseal::kafka {

namespace asio = boost::asio;

/// How long a coroutine waits for a notification: a lost one costs at most `tick`. Where something
/// is about to end, `closing_tick`.
inline constexpr std::chrono::milliseconds tick{1'000}, closing_tick{20};

class Wake {
 public:
  /// Throws Outage{unavailable} when the process is out of file descriptors.
  explicit Wake(const asio::any_io_executor& executor);
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;

  /// From now on `queue` notifies this. REQUIRES: ignore() before either is destroyed.
  void listen(rd_kafka_queue_t* queue);
  static void ignore(rd_kafka_queue_t* queue);

  /// Any thread.
  void notify() noexcept;

  /// Returns after a notification or after `time`, and clears all notifications up to now.
  /// Throws operation_aborted when the coroutine is cancelled.
  asio::awaitable<void> wait_for(std::chrono::steady_clock::duration time);

 private:
  asio::posix::stream_descriptor fd_;
};

}  // namespace memseal::kafka

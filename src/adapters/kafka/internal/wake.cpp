#include "adapters/kafka/internal/wake.hpp"

#include "base/result.hpp"

#include <boost/asio/cancel_after.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

namespace memseal::kafka {

namespace {

constexpr std::uint64_t one = 1;

int open_eventfd() {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) throw Outage({Errc::unavailable, "no file descriptor is left for Kafka wake-ups"});
  return fd;
}

}  // namespace

Wake::Wake(const asio::any_io_executor& executor) : fd_(executor, open_eventfd()) {}

void Wake::listen(rd_kafka_queue_t* queue) {
  rd_kafka_queue_io_event_enable(queue, fd_.native_handle(), &one, sizeof one);
}

void Wake::ignore(rd_kafka_queue_t* queue) {
  rd_kafka_queue_io_event_enable(queue, -1, nullptr, 0);
}

void Wake::notify() noexcept {
  // The write fails only when the counter is full, and then a wake-up is pending anyway.
  [[maybe_unused]] const auto written = ::write(fd_.native_handle(), &one, sizeof one);
}

asio::awaitable<void> Wake::wait_for(std::chrono::steady_clock::duration time) {
  boost::system::error_code ended;
  co_await fd_.async_wait(
      asio::posix::stream_descriptor::wait_read,
      asio::cancel_after(time, asio::redirect_error(asio::use_awaitable, ended)));
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  // The read clears every notification so far. The read does not block (EFD_NONBLOCK) when the time
  // ran out first.
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(fd_.native_handle(), &count, sizeof count);
}

}  // namespace memseal::kafka

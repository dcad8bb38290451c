#pragma once
#include "base/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <utility>

namespace memseal::app {

namespace asio = boost::asio;

/// A loopback port whose connections are passed on to another one. The in-process Kafka broker
/// takes a new port at each start; producers find it at this one, and it then tells them its own.
class PortForward {
 public:
  /// Binds 127.0.0.1:`port`. Error: bad_config, with what to do.
  static Result<PortForward> bind(std::uint16_t port);
  PortForward(PortForward&& other) noexcept : listener_(std::exchange(other.listener_, -1)) {}
  PortForward& operator=(PortForward&&) = delete;
  ~PortForward();

  /// Serves until it is cancelled. Call once.
  asio::awaitable<void> run(std::uint16_t to);

 private:
  explicit PortForward(int listener) : listener_(listener) {}
  int listener_;
};

}  // namespace memseal::app

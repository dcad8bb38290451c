#pragma once
#include "base/fd.hpp"
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

  /// Serves until it is cancelled. Call once.
  asio::awaitable<void> run(std::uint16_t to);

 private:
  explicit PortForward(Fd listener) : listener_(std::move(listener)) {}
  Fd listener_;
};

}  // namespace memseal::app
